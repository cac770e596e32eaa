import { describe, expect, it } from 'vitest';
import {
  decodeCertificates,
  decodePem,
  decodePemBlock,
  encodeCertificates,
  encodePem,
} from '../../../src/codec/pem.ts';
import { fromHex } from '../../../src/core/bytes.ts';

const der = Uint8Array.from({ length: 100 }, (_, k) => k);
const block = encodePem('CERTIFICATE', der);

describe('PEM', () => {
  it('writes lines of 64 characters and reads its own text back', () => {
    expect(block.split('\n').map(({ length }) => length)).toEqual([27, 64, 64, 8, 25, 0]);
    expect(decodePem(block, 'wire')).toEqual([{ label: 'CERTIFICATE', der }]);
  });

  it('reads several blocks in their order, with CRLF, and without a line end at the end', () => {
    const text = `${block}${encodePem('X509 CRL', fromHex('3000'))}`.replaceAll('\n', '\r\n').trimEnd();
    expect(decodePem(text, 'wire').map(({ label }) => label)).toEqual(['CERTIFICATE', 'X509 CRL']);
  });

  it('takes explanations around the blocks of a file, and trailing blanks', () => {
    const text = `Certificate:\n    Data: ...\n${block.replace('\n', '  \n')}\nthe end`;
    expect(decodePem(text)).toHaveLength(1);
    expect(() => decodePem(text, 'wire')).toThrow('text outside of a block');
    expect(() => decodePem(block.replace('\n', ' \n'), 'wire')).toThrow('text outside of a block');
  });

  it('reads nothing out of text without blocks', () => {
    expect(decodePem('hello')).toEqual([]);
    expect(() => decodeCertificates('hello')).toThrow('no certificate');
  });

  it.each([
    ['a block without its end', '-----BEGIN A-----\nMAA=\n', 'a A block without its end'],
    ['another label at the end', '-----BEGIN A-----\nMAA=\n-----END B-----\n', 'a A block without its end'],
    ['a block in a block', '-----BEGIN A-----\nMAA=\n-----BEGIN A-----\nMAA=\n-----END A-----\n', 'without its end'],
    ['an end without a beginning', '-----END A-----\n', 'a boundary that is out of place'],
    ['an empty block', '-----BEGIN A-----\n-----END A-----\n', 'base64 that is not canonical'],
    ['an empty line inside', '-----BEGIN A-----\nMAA=\n\n-----END A-----\n', 'a line that is not base64'],
    ['another alphabet', '-----BEGIN A-----\nMA-_\n-----END A-----\n', 'a line that is not base64'],
    ['missing padding', '-----BEGIN A-----\nMAA\n-----END A-----\n', 'base64 that is not canonical'],
    ['bits behind the last octet', '-----BEGIN A-----\nMAB=\n-----END A-----\n', 'base64 that is not canonical'],
    ['padding inside', '-----BEGIN A-----\nMA==\nMAA=\n-----END A-----\n', 'base64 that is not canonical'],
    ['an encrypted key', '-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END A-----\n', 'encrypted keys'],
  ])('refuses %s', (_, text, found) => {
    expect(() => decodePem(text)).toThrow(found);
    expect(() => decodePem(text)).toThrow('PEM is malformed (line');
  });

  it('refuses more than ten blocks, and more bytes than the limit', () => {
    expect(decodePem(block.repeat(10))).toHaveLength(10);
    expect(() => decodePem(block.repeat(11))).toThrow('more than 10 blocks');
    expect(() => decodePem('x'.repeat(64 * 1024 + 1))).toThrow('more than 65536 bytes');
  });

  it('tells DER that was given as PEM', () => {
    expect(() => decodePem(fromHex('3082ff00'))).toThrow('is it DER?');
  });

  it('finds the one block it is asked for', () => {
    expect(decodePemBlock(block, 'CERTIFICATE', 'wire')).toEqual(der);
    expect(() => decodePemBlock(block, 'CERTIFICATE REQUEST')).toThrow(
      'CERTIFICATE instead of one CERTIFICATE REQUEST',
    );
    expect(() => decodePemBlock(block + block, 'CERTIFICATE')).toThrow('CERTIFICATE, CERTIFICATE instead of one');
    expect(() => decodePemBlock('', 'CERTIFICATE')).toThrow('no block instead of one CERTIFICATE');
  });

  it('reads chains, and refuses a private key among certificates', () => {
    expect(decodeCertificates(encodeCertificates([der, fromHex('3000')]))).toEqual([der, fromHex('3000')]);
    expect(() => decodeCertificates(block + encodePem('PRIVATE KEY', der))).toThrow(
      'a PRIVATE KEY block among certificates',
    );
  });
});
