// A certified OpenID provider on this machine, with two people: Ana audits, Bob has no role.

import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import Provider from "oidc-provider";

export const SECRET = "a secret: with/odd characters";

const PEOPLE = {
  ana: { name: "Ana Lopes", email: "ana@acme.example", email_verified: true, groups: ["staff", "audit team"] },
  bob: { name: "Bob", email: "bob@acme.example", email_verified: true, groups: ["visitors"] },
};

function key(kid, alg, type, options) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: "jwk" }), kid, alg, use: "sig" };
}

/** Takes an address; `serve` begins to answer once it is known where people come back to. */
export async function open() {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${server.address().port}`;

  function serve(redirectUri, client, inToken) {
    const provider = new Provider(issuer, {
      clients: [{ client_id: "annals", redirect_uris: [redirectUri], grant_types: ["authorization_code"], response_types: ["code"], ...client }],
      claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"], groups: ["groups"] },
      scopes: ["openid", "profile", "email", "groups"],
      conformIdTokenClaims: !inToken,
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) }),
      jwks: { keys: [key("rsa", "RS256", "rsa", { modulusLength: 2048 }), key("ec", "ES256", "ec", { namedCurve: "P-256" }), key("ed", "EdDSA", "ed25519")] },
      enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256", "EdDSA"] },
      clientAuthMethods: ["client_secret_basic", "client_secret_post", "none"],
      pkce: { required: () => true },
      cookies: { keys: ["of this run"] },
      ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 300, Interaction: 600, Session: 600, Grant: 600 },
    });
    server.removeAllListeners("request");
    server.on("request", provider.callback());
  }

  return { issuer, serve, close: () => server.close() };
}
