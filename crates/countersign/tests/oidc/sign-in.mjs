// A real OpenID provider at which people sign in: npm `oidc-provider`, with a key made at the start. Arguments: the folder that it is
// installed in, and a port (0: any). Says `ready PORT` once it listens. Whoever types a name is that account.
//
//   GET /next?token=HOW   the next ID token is changed so; what is wrong with it stands below
//   GET /fetched          how often the keys were fetched
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { pathToFileURL } from 'node:url';

const [modules, wanted] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/node_modules/oidc-provider/lib/index.js`));

const made = () => ({
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
  alg: 'RS256', use: 'sig', kid: randomUUID(),
});
const [own, strange] = [made(), made()];
const port = Number(wanted) || await new Promise((resolve) => {
  const probe = createSocket().listen(0, '127.0.0.1', () => {
    const { port: free } = probe.address();
    probe.close(() => resolve(free));
  });
});
const issuer = `http://127.0.0.1:${port}`;
// The port of the server that comes here is free too, so it is not known yet.
const callback = /^http:\/\/(127\.0\.0\.1|localhost):\d+\/sign-in\/oidc\/callback$/;
const client = { redirect_uris: ['https://client.example/callback'], grant_types: ['authorization_code'] };
const provider = new Provider(issuer, {
  clients: [
    { ...client, client_id: 'countersign', client_secret: 'a secret & = of tests' },
    { ...client, client_id: 'posting', client_secret: 'another of tests', token_endpoint_auth_method: 'client_secret_post' },
    { ...client, client_id: 'public', token_endpoint_auth_method: 'none' },
  ],
  pkce: { required: () => true, methods: ['S256'] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  async loadExistingGrant({ oidc }) {
    const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope('openid');
    await grant.save();
    return grant;
  },
  jwks: { keys: [own] },
  cookies: { keys: [randomUUID()] },
});
provider.Client.prototype.redirectUriAllowed = (uri) => callback.test(uri);

const text = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const signed = (claims, key, header = {}) => {
  const input = `${text({ alg: 'RS256', kid: key.kid, ...header })}.${text(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), createPrivateKey({ key, format: 'jwk' })).toString('base64url')}`;
};
const now = () => Math.floor(Date.now() / 1000);
const changes = {
  nonce: (c) => signed({ ...c, nonce: 'of another sign-in' }, own),
  'no-nonce': ({ nonce, ...c }) => signed(c, own),
  audience: (c) => signed({ ...c, aud: 'another client' }, own),
  several: (c) => signed({ ...c, aud: [c.aud, 'another client'] }, own),
  party: (c) => signed({ ...c, azp: 'another client' }, own),
  issuer: (c) => signed({ ...c, iss: 'http://127.0.0.1:1' }, own),
  expired: (c) => signed({ ...c, iat: now() - 900, exp: now() - 300 }, own),
  old: (c) => signed({ ...c, iat: now() - 1200, exp: now() + 300 }, own),
  future: (c) => signed({ ...c, iat: now() + 600, exp: now() + 900 }, own),
  subject: ({ sub, ...c }) => signed(c, own),
  stranger: (c) => signed(c, strange),
  'strange-key': (c) => signed(c, { ...strange, kid: own.kid }),
  brought: (c) => {
    const { n, e, kty } = strange;
    return signed(c, { ...strange, kid: own.kid }, { jwk: { n, e, kty } });
  },
  none: (c) => `${text({ alg: 'none' })}.${text(c)}.`,
  hmac: (c) => {
    const input = `${text({ alg: 'HS256', kid: own.kid })}.${text(c)}`;
    const pem = createPublicKey({ key: own, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
    return `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`;
  },
};
let next = null;
let fetched = 0;
provider.use(async (ctx, then) => {
  if (ctx.path === '/next') {
    next = ctx.query.token;
    ctx.body = '';
    return;
  }
  if (ctx.path === '/fetched') {
    ctx.body = String(fetched);
    return;
  }
  if (ctx.path.startsWith('/interaction/')) {
    if (ctx.method === 'POST') {
      let body = '';
      for await (const part of ctx.req) body += part;
      const login = new URLSearchParams(body).get('login');
      const answer = login === 'nobody' ? { error: 'access_denied' } : { login: { accountId: login } };
      await provider.interactionFinished(ctx.req, ctx.res, answer, { mergeWithLastSubmission: false });
      ctx.respond = false;
      return;
    }
    ctx.type = 'html';
    ctx.body = '<!doctype html><html lang="en"><title>Provider</title><link rel="icon" href="data:,"><main><h1>Provider</h1>'
      + '<form method="post"><label>Account <input name="login"></label> <button>Continue</button></form></main></html>';
    return;
  }
  if (ctx.path === '/jwks') fetched += 1;
  await then();
  if (ctx.path === '/token' && next && ctx.body?.id_token) {
    const claims = JSON.parse(Buffer.from(ctx.body.id_token.split('.')[1], 'base64url').toString());
    ctx.body = { ...ctx.body, id_token: changes[next](claims) };
    next = null;
  }
});
createServer(provider.callback()).listen(port, '127.0.0.1', () => console.log(`ready ${port}`));
