import { describe, expect, test } from 'vitest';
import { renderTemplate, templateFields } from '../../../src/provision/template.ts';

const fields = { 'cert.serial': '0a1b', 'key.id': 'k', empty: '', 'psk.identity': undefined };

describe('a template', () => {
  test.each([
    ['urn:acme:${cert.serial}', 'urn:acme:0a1b'],
    ['${key.id}${key.id}-${cert.serial}', 'kk-0a1b'],
    ['no field, $ and {braces} stay', 'no field, $ and {braces} stay'],
    ['${empty}', ''],
  ])('%s becomes %s', (text, expected) => {
    expect(renderTemplate(text, fields)).toBe(expected);
  });

  test.each(['${psk.identity}', '${unknown}', '${toString}', 'a ${cert.serial', '${}'])(
    '%s cannot be rendered for a device without such a field',
    (text) => {
      expect(renderTemplate(text, fields)).toBeUndefined();
    },
  );

  test('does not look at what was put in again', () => {
    expect(renderTemplate('${a}', { a: '${b} $& $1', b: 'x' })).toBe('${b} $& $1');
  });

  test('names its fields, each once, and what has no end', () => {
    expect(templateFields('${a}${b}x${a} ${c')).toEqual(['a', 'b', '${c']);
  });
});
