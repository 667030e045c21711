// An OpenID provider on a free port of 127.0.0.1 with the clients of its first argument. Says its port; ends with its input.
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const server = createServer().listen(0, '127.0.0.1', () => {
  const { port } = server.address()
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: JSON.parse(process.argv[1]),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
    },
  })
  server.on('request', provider.callback())
  process.stdout.write(`${port}\n`)
})
process.stdin.on('end', () => process.exit()).resume()
