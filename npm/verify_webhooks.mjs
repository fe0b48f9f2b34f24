// Reads deliveries as JSON lines {secret, headers, body} from stdin and prints why which are not good.
import { text } from "node:stream/consumers"
import { Webhook } from "standardwebhooks"

const refusals = (await text(process.stdin)).split("\n").filter(Boolean).map((line) => {
  const { secret, headers, body } = JSON.parse(line)
  try {
    new Webhook(secret).verify(body, headers)
  } catch (error) {
    return String(error)
  }
})
console.log(JSON.stringify(refusals.filter(Boolean)))
