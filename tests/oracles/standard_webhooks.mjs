// Verifies requests as receivers written in JavaScript do. In: JSON, a list of {key, headers, body (base64)}. Out: a list of
// "ok" or what is wrong. A `whsec_` key goes to the package standardwebhooks; it does not know `whpk_`, which Node verifies.
import { createPublicKey, verify } from 'node:crypto'
import { Webhook } from 'standardwebhooks'

function verifyPublic(key, headers, body) {
  const x = Buffer.from(key.slice('whpk_'.length), 'base64').toString('base64url')
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  const signed = Buffer.concat([Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`), body])
  const marks = headers['webhook-signature'].split(' ').filter((mark) => mark.startsWith('v1a,'))
  if (!marks.some((mark) => verify(null, signed, publicKey, Buffer.from(mark.slice(4), 'base64')))) {
    throw new Error('No matching signature found')
  }
}

const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const said = JSON.parse(Buffer.concat(chunks)).map(({ key, headers, body }) => {
  const bytes = Buffer.from(body, 'base64')
  try {
    if (key.startsWith('whpk_')) verifyPublic(key, headers, bytes)
    else new Webhook(key).verify(bytes.toString('utf8'), headers)
    return 'ok'
  } catch (error) {
    return error.message
  }
})
process.stdout.write(JSON.stringify(said))
