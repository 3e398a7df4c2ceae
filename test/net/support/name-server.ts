/** A name server of this host's loopback, that has one TXT record of so many bytes for every name. */

import { createSocket } from "node:dgram";
import { serveTcp } from "./servers.ts";

export interface NameServer {
  readonly port: number;
  /** Questions that came by UDP and by TCP. */
  readonly asked: { udp: number; tcp: number };
  close(): Promise<void>;
}

function respond(query: Buffer, bytes: number, most: number): Buffer {
  let end = 12;
  while (query[end]! > 0) end += query[end]! + 1;
  end += 5;
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(0x8180, 2);
  head.fill(0, 8, 12);
  const strings = Array.from({ length: Math.ceil(bytes / 200) }, () => Buffer.from([200, ...Buffer.alloc(200, "x")]));
  const data = Buffer.concat(strings);
  const record = Buffer.alloc(12);
  record.writeUInt16BE(0xc00c, 0);
  record.writeUInt16BE(16, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt32BE(60, 6);
  record.writeUInt16BE(data.length, 10);
  const fits = head.length + record.length + data.length <= most;
  head.writeUInt16BE(fits ? 1 : 0, 6);
  if (!fits) head[2]! |= 2;
  return fits ? Buffer.concat([head, record, data]) : head;
}

export async function nameServer(bytes: number): Promise<NameServer> {
  const asked = { udp: 0, tcp: 0 };
  const tcp = await serveTcp((socket) => {
    let rest = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        asked.tcp++;
        const response = respond(rest.subarray(2, 2 + rest.readUInt16BE(0)), bytes, 65_535);
        socket.write(Buffer.concat([Buffer.from([response.length >> 8, response.length & 255]), response]));
        rest = rest.subarray(2 + rest.readUInt16BE(0));
      }
    });
    socket.on("end", () => socket.end());
  });
  const udp = createSocket("udp4", (query, { port, address }) => {
    asked.udp++;
    udp.send(respond(query, bytes, 512), port, address);
  });
  await new Promise<void>((resolve) => udp.bind(tcp.port, "127.0.0.1", () => resolve()));
  return {
    port: tcp.port,
    asked,
    close: async () => {
      udp.close();
      await tcp.close();
    },
  };
}
