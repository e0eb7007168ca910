/** Words of the element that products embed. */

import { words } from "./words.js";

export const embedText = words({
  en: {
    back: "Back",
    noToken: "Waiting for permission to read…",
    tokenEnded: "The permission to read has ended. What is shown stays; it goes on as soon as the page has a new one.",
  },
  pt: {
    back: "Voltar",
    noToken: "Aguardando permissão para ler…",
    tokenEnded: "A permissão para ler terminou. O que se vê permanece; continua assim que a página tiver uma nova.",
  },
});
