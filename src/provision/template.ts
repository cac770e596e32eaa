/** Placeholders of a device id template: what the manufacturer's certificate or key identity says (model.ts, DeviceIdPolicy). */
export const deviceIdFields = [
  'cert.subject.cn',
  'cert.subject.serialNumber',
  'cert.subject.o',
  'cert.subject.ou',
  'cert.serial',
  'key.id',
  'psk.identity',
] as const;

/** Placeholders of an access control entry (model.ts, AceTemplate). */
export const accessFields = ['device.id', 'owner.id', 'hub.id', 'cert.subject.cn'] as const;

/** Names of placeholders with what stands for them now; undefined or not there: this device has no such thing. */
export type TemplateFields = Readonly<Record<string, string | undefined>>;

/**
 * Puts the fields into a text with placeholders: `urn:acme:${cert.serial}`. Everything outside of `${…}` stays as it is;
 * there is no escape, and what is put in is not looked at again.
 * @returns undefined when a field that the text names has no value
 */
export function renderTemplate(text: string, fields: TemplateFields): string | undefined {
  if (templateFields(text).some((name) => fieldValue(fields, name) === undefined)) return undefined;
  return text.replace(placeholder, (_, name: string | undefined) =>
    name === undefined ? '' : (fieldValue(fields, name) ?? ''),
  );
}

/** The fields that a text names, each once, in their order. One without its `}` is named with its `${`, which no field has. */
export const templateFields = (text: string): readonly string[] => [
  ...new Set([...text.matchAll(placeholder)].map(([whole, name]) => name ?? whole)),
];

const placeholder = /\$\{([^}]*)\}|\$\{.*$/gs;

const fieldValue = (fields: TemplateFields, name: string): string | undefined =>
  Object.hasOwn(fields, name) ? fields[name] : undefined;
