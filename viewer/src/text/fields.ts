/** How people call the members of an event. A path without a name of its own is shown as it is. */

import type { Language } from "./words.js";

const NAMES: Record<string, { en: string; pt: string }> = {
  "action": { en: "Action", pt: "Ação" },
  "operation": { en: "Operation", pt: "Operação" },
  "category": { en: "Category", pt: "Categoria" },
  "severity": { en: "Severity", pt: "Gravidade" },
  "description": { en: "Description", pt: "Descrição" },
  "reason": { en: "Reason", pt: "Motivo" },
  "actor": { en: "Actor", pt: "Ator" },
  "actor.id": { en: "Actor", pt: "Ator" },
  "actor.type": { en: "Actor type", pt: "Tipo de ator" },
  "actor.name": { en: "Actor name", pt: "Nome do ator" },
  "actor.email": { en: "Actor e-mail", pt: "E-mail do ator" },
  "actor.credential.id": { en: "Credential", pt: "Credencial" },
  "actor.credential.type": { en: "Credential type", pt: "Tipo de credencial" },
  "actor.chain.id": { en: "On behalf of", pt: "Em nome de" },
  "actor.chain.type": { en: "On behalf of (type)", pt: "Em nome de (tipo)" },
  "actor.chain.name": { en: "On behalf of (name)", pt: "Em nome de (nome)" },
  "targets.type": { en: "Target type", pt: "Tipo de alvo" },
  "targets.id": { en: "Target", pt: "Alvo" },
  "targets.name": { en: "Target name", pt: "Nome do alvo" },
  "context.ip": { en: "Address", pt: "Endereço" },
  "context.user_agent": { en: "User agent", pt: "Agente de usuário" },
  "context.session_id": { en: "Session", pt: "Sessão" },
  "context.application": { en: "Application", pt: "Aplicação" },
  "context.location": { en: "Location", pt: "Local" },
  "request.id": { en: "Request", pt: "Requisição" },
  "request.method": { en: "Method", pt: "Método" },
  "request.path": { en: "Path", pt: "Caminho" },
  "request.status_code": { en: "Status", pt: "Status" },
  "trace.trace_id": { en: "Trace", pt: "Rastro" },
  "trace.span_id": { en: "Span", pt: "Trecho" },
  "outcome.result": { en: "Result", pt: "Resultado" },
  "outcome.reason": { en: "Reason of the result", pt: "Motivo do resultado" },
  "changes.complete": { en: "Whole states", pt: "Estados completos" },
  "scope.team": { en: "Team", pt: "Equipe" },
  "scope.project": { en: "Project", pt: "Projeto" },
  "source.name": { en: "Source", pt: "Origem" },
  "source.version": { en: "Source version", pt: "Versão da origem" },
  "source.instance": { en: "Source instance", pt: "Instância da origem" },
};

/** The name of the field with this path. */
export function fieldName(path: string, language: Language): string {
  return NAMES[path]?.[language] ?? path;
}
