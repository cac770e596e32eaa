import { describe, expect, it } from 'vitest';
import { DerReader } from '../../../src/codec/der.ts';
import { derElement, derOid, derSequence, derSetOf, derUtf8String } from '../../../src/codec/der-writer.ts';
import { toHex } from '../../../src/core/bytes.ts';
import { encodeName, type Name, readName, uuidOf, uuidSubject } from '../../../src/pki/name.ts';

const id = '21565d33-acc1-44ce-5dd0-25c86cbd0bce';
const read = (der: Uint8Array): Name => readName(DerReader.over(der), 'name');
const named = (...commonNames: readonly string[]): Name =>
  read(derSequence(...commonNames.map((value) => derSetOf(derSequence(derOid('2.5.4.3'), derUtf8String(value))))));

describe('names', () => {
  it('are written in the order C, O, OU, serialNumber, CN, and shown as they stand', () => {
    const subject = { commonName: 'c', serialNumber: '7', organizationalUnit: 'u', organization: 'o', country: 'DE' };
    expect(read(encodeName(subject)).text).toBe('C=DE, O=o, OU=u, serialNumber=7, CN=c');
  });

  it('hold a device id as the reference device writes it', () => {
    expect(toHex(encodeName(uuidSubject(id)))).toBe(
      `30343132303006035504030c29${Buffer.from(`uuid:${id}`).toString('hex')}`,
    );
    expect(uuidOf(read(encodeName(uuidSubject(id))))).toBe(id);
  });

  it.each([
    [`uuid:${id.toUpperCase()}`, id],
    [`UUID:${id}`, id],
    [id, undefined],
    [`uuid:${id}0`, undefined],
    [`uuid: ${id}`, undefined],
    [`uuid:${id}\n`, undefined],
    ['uuid:', undefined],
  ])('find the device id in %j: %s', (commonName, expected) => {
    expect(uuidOf(named(commonName))).toBe(expected);
  });

  it('take the last of several common names', () => {
    expect(named('a', 'b').commonName).toBe('b');
    expect(read(derSequence()).commonName).toBeUndefined();
  });

  it('are printable whatever a peer has put into them', () => {
    expect(named('a, CN=admin').text).toBe('CN=a\\, CN\\=admin');
    expect(named('line\nbreak\u202e\u001b[31m').text).toBe('CN=line\\u{a}break\\u{202e}\\u{1b}[31m');
    expect(named('x'.repeat(5000)).text).toHaveLength(131);
  });

  it('with several attributes in one part are read in DER order only', () => {
    const attribute = (oid: string, text: string): Uint8Array => derSequence(derOid(oid), derUtf8String(text));
    const [commonName, organization] = [attribute('2.5.4.3', 'c'), attribute('2.5.4.10', 'o')];
    expect(read(derSequence(derSetOf(organization, commonName))).text).toBe('CN=c, O=o');
    expect(() => read(derSequence(derElement(0x31, organization, commonName)))).toThrow('a SET OF out of order');
  });
});
