// Fetches a JWKS once, prints its kids, then reads tokens from stdin and prints why which are not good.
import { text } from "node:stream/consumers"
import { calculateJwkThumbprint, createRemoteJWKSet, jwtVerify } from "jose"

const keys = createRemoteJWKSet(new URL(process.argv[2]), { cooldownDuration: 600_000 })
await keys.reload()
const published = keys.jwks().keys
console.log(JSON.stringify(await Promise.all(published.map((key) => calculateJwkThumbprint(key)))))

const tokens = (await text(process.stdin)).split("\n").filter(Boolean)
const refusals = await Promise.all(
  tokens.map((token) => jwtVerify(token, keys, { issuer: "zovi", audience: "zovi" }).then(() => null, String)),
)
console.log(JSON.stringify(refusals.filter(Boolean)))
