// A broker and a market data client in another language, written from feeds/PROTOCOL.md alone.
//
//   node client.js CONNECTION.TOML NAME.SECRET SYMBOL ACCOUNT PRICE
//
// Buys 5 lots, sends the same frame again, replaces, follows the book through a deliberate gap,
// cancels, sees its block of two hours stand and go, comes back and asks for all its reports;
// prints what it saw as one JSON object.
"use strict"
const fs = require("fs")
const zmq = require("zeromq")
const { encode, decode } = require("@msgpack/msgpack")

const KIND = { COMMANDS: 1, REPORTS: 2, MESSAGE: 3 }
const EVENT = { 1: "ACCEPTED", 2: "FILLED", 3: "CANCELLED", 4: "REPLACED", 8: "REJECTED" }
const NEW = 1, CANCEL = 2, REPLACE = 3, LIMIT = 2, BUY = 0
const IMAGE = 2, MORE = 1, POSS_DUP = 1, RESENT = 2
const IMAGE_REQUEST = { type: "image_request", from_sequence: 0 }

function toml(path) {
  const found = {}
  for (const line of fs.readFileSync(path, "utf8").split("\n")) {
    const at = line.indexOf(" = ")
    if (at > 0) found[line.slice(0, at)] = JSON.parse(line.slice(at + 3))
  }
  return found
}

function secure(socket, connection, secret) {
  if (connection.plain) {
    socket.plainUsername = secret.name
    socket.plainPassword = secret.password
  } else {
    socket.curveServerKey = connection.key
    socket.curvePublicKey = secret.public_key
    socket.curveSecretKey = secret.secret_key
  }
  socket.linger = 200
  return socket
}

function head(kind, count) {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt8(kind, 0)
  bytes.writeUInt16LE(count, 2)
  return bytes
}

const message = (body) => Buffer.concat([head(KIND.MESSAGE, 0), Buffer.from(encode(body))])

function command(kind, fields) {
  const bytes = Buffer.alloc(64)
  bytes.writeInt32LE(fields.price ?? 0, 16)
  bytes.writeInt32LE(fields.quantity ?? 0, 24)
  bytes.writeUInt32LE(fields.ref, 36)
  bytes.writeUInt32LE(fields.target ?? 0, 40)
  bytes.writeUInt32LE(fields.account ?? 0, 44)
  bytes.writeUInt32LE(fields.instrument ?? 0, 48)
  bytes.writeUInt8(kind, 56)
  bytes.writeUInt8(BUY, 57)
  bytes.writeUInt8(kind === NEW ? LIMIT : 0, 58)
  bytes.writeUInt8(fields.hours ?? 0, 62)
  return Buffer.concat([head(KIND.COMMANDS, 1), bytes])
}

function report(bytes, at, number, flags) {
  return {
    number,
    flags,
    kind: EVENT[bytes.readUInt8(at + 56)] ?? bytes.readUInt8(at + 56),
    request: bytes.readUInt32LE(at + 16),
    ref: bytes.readUInt32LE(at + 44),
    price: bytes.readInt32LE(at + 24),
    leaves: bytes.readInt32LE(at + 32),
    reason: bytes.readUInt8(at + 58),
  }
}

class Session {
  constructor(connection, secret) {
    this.socket = secure(new zmq.Dealer(), connection, secret)
    this.socket.connect(connection.orders)
    this.reports = []
    this.messages = []
    this.waiting = []
    this.next = 0
    this.read()
  }

  async read() {
    for await (const [frame] of this.socket) {
      const kind = frame.readUInt8(0), flags = frame.readUInt8(1), count = frame.readUInt16LE(2)
      const first = Number(frame.readBigUInt64LE(8))
      if (kind === KIND.MESSAGE) this.messages.push(decode(frame.subarray(16)))
      if (kind === KIND.REPORTS) {
        for (let n = 0; n < count; n++) {
          this.reports.push(report(frame, 16 + 64 * n, first + n, flags))
        }
        if (!(flags & POSS_DUP)) {
          if (this.next && first !== this.next) throw new Error(`gap at ${this.next}: ${first}`)
          this.next = first + count
        }
      }
      this.waiting = this.waiting.filter((check) => !check())
    }
  }

  until(found) {
    return new Promise((resolve) => {
      const check = () => {
        const value = found()
        if (value) resolve(value)
        return Boolean(value)
      }
      if (!check()) this.waiting.push(check)
    })
  }

  async logon(nextReport) {
    await this.socket.send(message({ type: "logon", version: 6, next_report: nextReport }))
    this.ack = await this.until(() => this.messages.find((each) => each.type === "logon_ack"))
    this.next = nextReport || this.ack.next_report
    this.ref = this.ack.last_ref
    return this.ack
  }

  async ask(kind, fields, twice = false) {
    const ref = ++this.ref
    const frame = command(kind, { ...fields, ref })
    await this.socket.send(frame)
    const answer = await this.until(() => this.reports.find((each) =>
      (each.kind === "CANCELLED" || each.kind === "REPLACED" ? each.request : each.ref) === ref))
    if (!twice) return answer
    await this.socket.send(frame)
    return [answer, await this.until(() => this.reports.find((each) => each.flags & POSS_DUP))]
  }
}

class Book {
  constructor(market, recovery, instrument) {
    Object.assign(this, { market, recovery, instrument })
    this.sides = [new Map(), new Map()]
    this.next = 0
    this.held = []
    this.images = 0
    this.checked = 0
    this.waiting = []
    this.lose = 0
    const topic = Buffer.alloc(8)
    topic.write("L")
    topic.writeUInt32LE(instrument, 4)
    market.subscribe(topic)
    this.read()
  }

  async read() {
    for await (const [frame] of this.market) {
      if (this.lose > 0) {
        this.lose--
        continue
      }
      const sequence = Number(frame.readBigUInt64LE(8))
      if (!this.next || sequence > this.next) {
        this.held.push(frame)
        this.repair()
      } else if (sequence === this.next) this.apply(frame)
      this.waiting = this.waiting.filter((check) => !check())
    }
  }

  async repair() {
    if (this.repairing) return
    this.repairing = true
    this.next = 0
    const request = { ...IMAGE_REQUEST, channel: "L", instrument: this.instrument }
    await this.recovery.send(Buffer.from(encode(request)))
    this.sides = [new Map(), new Map()]
    for (let more = true; more;) {
      const [frame] = await this.recovery.receive()
      if (!(frame.readUInt8(33) & IMAGE)) throw new Error("no image")
      more = Boolean(frame.readUInt8(33) & MORE)
      this.next = Number(frame.readBigUInt64LE(8)) - 1
      this.apply(frame)
    }
    this.images++
    this.repairing = false
    const held = this.held.splice(0)
    for (const frame of held) {
      if (Number(frame.readBigUInt64LE(8)) === this.next) this.apply(frame)
    }
    this.waiting = this.waiting.filter((check) => !check())
  }

  apply(frame) {
    const count = frame.readUInt16LE(34)
    for (let at = 40; at < 40 + 24 * count; at += 24) {
      const quantity = Number(frame.readBigInt64LE(at))
      const price = frame.readInt32LE(at + 8), side = this.sides[frame.readUInt8(at + 16)]
      if (quantity) side.set(price, quantity)
      else side.delete(price)
    }
    this.next++
    if (frame.readUInt8(33) & MORE) return
    if (this.checksum() !== frame.readUInt32LE(36)) throw new Error("the book is wrong")
    this.checked++
  }

  levels(side) {
    return [...this.sides[side]].sort((a, b) => (side ? a[0] - b[0] : b[0] - a[0]))
  }

  checksum() {
    let code = 0x811c9dc5
    for (const side of [0, 1]) {
      for (const [price, quantity] of this.levels(side).slice(0, 10)) {
        for (const word of [price, quantity % 2 ** 32, Math.floor(quantity / 2 ** 32)]) {
          code = Math.imul(code ^ word, 0x01000193) >>> 0
        }
      }
    }
    return code
  }

  until(found) {
    return Session.prototype.until.call(this, found)
  }
}

async function definitions(recovery) {
  await recovery.send(Buffer.from(encode({ ...IMAGE_REQUEST, channel: "D", instrument: 0 })))
  const found = {}
  for (;;) {
    const [frame] = await recovery.receive()
    if (frame.length === 40) return found
    found[decode(frame.subarray(40)).symbol] = decode(frame.subarray(40))
  }
}

async function standingBlocks(recovery, instrument) {
  await recovery.send(Buffer.from(encode({ ...IMAGE_REQUEST, channel: "K", instrument })))
  const found = []
  for (let more = true; more;) {
    const [frame] = await recovery.receive()
    more = frame.readUInt8(33) & MORE
    for (let at = 40; at < frame.length; at += 32) {
      const [price, quantity] = [8, 12].map((field) => frame.readInt32LE(at + field))
      const [side, hours] = [16, 18].map((field) => frame.readUInt8(at + field))
      found.push({ price, quantity, side, hours })
    }
  }
  return found
}

async function main([connectionPath, secretPath, symbol, account, price]) {
  const connection = toml(connectionPath), secret = toml(secretPath)
  const recovery = secure(new zmq.Dealer(), connection, secret)
  recovery.connect(connection.recovery)
  const defined = await definitions(recovery), one = defined[symbol], { instrument } = one
  const earlier = Object.values(defined).find((each) =>
    each.contract === one.contract && each.delivery_end_s === one.delivery_start_s)
  const market = secure(new zmq.Subscriber(), connection, secret)
  market.connect(connection.market)
  const session = new Session(connection, secret)
  const ack = await session.logon(0)
  const book = new Book(market, recovery, instrument)
  await book.repair()
  const own = () => book.sides[BUY].get(Number(price)) ?? 0
  const before = own()
  const order = { account: Number(account), instrument, quantity: 5, price: Number(price) }
  const [accepted, again] = await session.ask(NEW, order, true)
  await book.until(() => own() === before + 5)
  book.lose = 1
  const replaced = await session.ask(REPLACE, { target: accepted.ref, quantity: 3 })
  await session.ask(REPLACE, { target: accepted.ref, quantity: 2 })
  await book.until(() => own() === before + 2)
  const cancelled = await session.ask(CANCEL, { target: accepted.ref })
  await book.until(() => own() === before)
  const rejected = await session.ask(CANCEL, { target: accepted.ref })
  const block = await session.ask(NEW, { ...order, instrument: earlier.instrument, hours: 2 })
  const blocks = await standingBlocks(recovery, earlier.instrument)
  await session.ask(CANCEL, { target: block.ref })
  const noBlocks = await standingBlocks(recovery, earlier.instrument)
  session.socket.close()
  const later = new Session(connection, secret)
  const ackLater = await later.logon(1)
  await later.until(() => later.next >= ackLater.next_report)
  console.log(JSON.stringify({
    session: ack.session, accepted, again, replaced, cancelled, rejected,
    blocks, noBlocks, images: book.images, checked: book.checked,
    resent: later.reports.length, allResent: later.reports.every((each) => each.flags & RESENT),
    nextReport: ackLater.next_report, bids: book.levels(0).slice(0, 3),
  }))
  later.socket.close()
  market.close()
  recovery.close()
}

main(process.argv.slice(2)).then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
