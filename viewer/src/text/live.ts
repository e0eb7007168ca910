/** Words about what comes as it happens. */

import { words } from "./words.js";

export const liveText = words({
  en: {
    live: "Live",
    follow: "Follow what happens as it happens",
    stop: "Stop following",
    pause: "Pause",
    resume: "Resume",
    resumeWith: (n: number, more: boolean) => `Resume with ${n.toLocaleString("en")}${more ? " or more" : ""} new`,
    connecting: "Connecting…",
    following: "New events appear by themselves",
    paused: "Paused; nothing is lost",
    reconnecting: (seconds: number) => `The connection broke. Trying again in ${seconds} s`,
    again: "Try now",
    ended: "Not following any more",
    signedOut: "Not signed in any more",
    denied: "Whoever is signed in may not follow this",
    malformed: "What came is no stream of events: something between here and the server changes it",
  },
  pt: {
    live: "Ao vivo",
    follow: "Acompanhar o que acontece na hora",
    stop: "Parar de acompanhar",
    pause: "Pausar",
    resume: "Continuar",
    resumeWith: (n: number, more: boolean) => `Continuar com ${n.toLocaleString("pt")}${more ? " ou mais" : ""} ${n === 1 ? "novo" : "novos"}`,
    connecting: "Conectando…",
    following: "Eventos novos aparecem sozinhos",
    paused: "Em pausa; nada se perde",
    reconnecting: (seconds: number) => `A conexão caiu. Nova tentativa em ${seconds} s`,
    again: "Tentar agora",
    ended: "Não acompanha mais",
    signedOut: "A sessão terminou",
    denied: "Quem está conectado não pode acompanhar isto",
    malformed: "O que veio não é um fluxo de eventos: algo entre esta página e o servidor o altera",
  },
});
