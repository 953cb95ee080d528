import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';

const der = (tag: number, ...parts: (Buffer | number[])[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};
const sequence = (...parts: Buffer[]) => der(0x30, ...parts);
const ECDSA_SHA256 = sequence(der(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));

function utcTime(date: Date): Buffer {
  return der(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
}

/** A certificate for 127.0.0.1 that is its own authority, as PEM, valid for a day. Node makes keys but no certificates. */
export function selfSigned(): { cert: string; key: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const name = sequence(der(0x31, sequence(der(0x06, [0x55, 0x04, 0x03]), der(0x0c, Buffer.from('test')))));
  const now = Date.now();
  const validity = sequence(utcTime(new Date(now - 3_600_000)), utcTime(new Date(now + 86_400_000)));
  const alternativeNames = der(0x04, sequence(der(0x87, [127, 0, 0, 1])));
  const authority = der(0x04, sequence(der(0x01, [0xff])));
  const extensions = der(
    0xa3,
    sequence(
      sequence(der(0x06, [0x55, 0x1d, 0x11]), alternativeNames),
      sequence(der(0x06, [0x55, 0x1d, 0x13]), der(0x01, [0xff]), authority),
    ),
  );
  const version = der(0xa0, der(0x02, [2]));
  const body = sequence(version, der(0x02, [1]), ECDSA_SHA256, name, validity, name, publicKey, extensions);
  const certificate = sequence(body, ECDSA_SHA256, der(0x03, [0], sign('sha256', body, privateKey)));
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}
