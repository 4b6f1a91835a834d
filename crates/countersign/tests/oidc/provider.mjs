// A real OpenID provider for tests: npm `oidc-provider`, with keys made at the start. Arguments: the folder that it is installed in, and a
// port (0: any). Says `ready PORT` once it listens.
//
//   GET /token-of-job?audience=CLIENT&claims=JSON   an ID token with these claims, in the form in which GitHub Actions hands one out;
//                                            needs the bearer token `job`
//   GET /fetched                             how often the keys were fetched
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { pathToFileURL } from 'node:url';

const [modules, wanted] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/node_modules/oidc-provider/lib/index.js`));

const key = (alg, type, options) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID(),
});
const algorithms = {
  countersign: 'RS256', 'countersign-ps': 'PS256', 'countersign-es': 'ES256', 'countersign-ed': 'EdDSA', other: 'RS256',
};
const prefix = '/_services/token';
const port = Number(wanted) || await new Promise((resolve) => {
  const probe = createSocket().listen(0, '127.0.0.1', () => {
    const { port: free } = probe.address();
    probe.close(() => resolve(free));
  });
});
const provider = new Provider(`http://127.0.0.1:${port}${prefix}`, {
  clients: Object.entries(algorithms).map(([id, alg]) => ({
    client_id: id,
    client_secret: randomUUID(),
    id_token_signed_response_alg: alg,
    redirect_uris: ['https://client.example/callback'],
  })),
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
  jwks: {
    keys: [
      key('RS256', 'rsa', { modulusLength: 2048 }),
      key('PS256', 'rsa', { modulusLength: 2048 }),
      key('ES256', 'ec', { namedCurve: 'P-256' }),
      key('EdDSA', 'ed25519', {}),
    ],
  },
  cookies: { keys: [randomUUID()] },
});

let fetched = 0;
provider.use(async (ctx, next) => {
  if (ctx.path === '/jwks') fetched += 1;
  if (ctx.path === '/fetched') {
    ctx.body = String(fetched);
    return;
  }
  if (ctx.path !== '/token-of-job') {
    await next();
    return;
  }
  if (ctx.get('authorization') !== 'Bearer job') {
    ctx.status = 401;
    return;
  }
  const client = await provider.Client.find(ctx.query.audience);
  if (!client) {
    ctx.status = 400;
    return;
  }
  const token = new provider.IdToken({ sub: 'job' }, { ctx, client });
  token.scope = 'openid';
  for (const [name, value] of Object.entries(JSON.parse(ctx.query.claims))) token.set(name, value);
  ctx.body = { value: await token.issue({ use: ctx.query.use ?? 'idtoken' }) };
});
const answer = provider.callback();
createServer((request, response) => {
  // Where a server of GitHub Enterprise has it: the provider finds out where it is mounted from the original address.
  request.originalUrl = request.url;
  if (request.url.startsWith(prefix)) request.url = request.url.slice(prefix.length);
  answer(request, response);
}).listen(port, '127.0.0.1', () => console.log(`ready ${port}`));
