/** An element as it was read: text has no markup left in it. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (Element | string)[];
}

/**
 * Reads a document as strictly as XML 1.0 wants it: closed elements, quoted attributes, no bare `&` or `<`, no character that is
 * none in XML. No processing instruction but the declaration, no CDATA, no DTD but `<!DOCTYPE html>`. @throws Error
 */
export function readXml(text: string): Element {
  const illegal = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.exec(text);
  if (illegal)
    throw new Error(`U+${illegal[0].codePointAt(0)?.toString(16)} at ${illegal.index} is no character of XML`);
  const root: { name: string; attributes: Record<string, string>; children: (Element | string)[] } = {
    name: '',
    attributes: {},
    children: [],
  };
  const open = [root];
  const tokens = /<!--((?:(?!--).)*)-->|<\/([\w:-]+)\s*>|<([\w:-]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/sy;
  tokens.lastIndex =
    /^(?:<\?xml version="1\.0" encoding="UTF-8"\?>\s*)?(?:<!DOCTYPE html>\s*)?/.exec(text)?.[0].length ?? 0;
  while (tokens.lastIndex < text.length) {
    const at = tokens.lastIndex;
    const token = tokens.exec(text);
    if (!token) throw new Error(`no XML at ${at}: ${text.slice(at, at + 60)}`);
    const [, comment, closing, opening, attributes = '', empty, content] = token;
    const parent = open.at(-1) ?? root;
    if (comment !== undefined) continue;
    if (content !== undefined) {
      parent.children.push(plain(content));
    } else if (opening !== undefined) {
      const element = { name: opening, attributes: attributesOf(attributes), children: [] };
      parent.children.push(element);
      if (empty === '') open.push(element);
    } else {
      if (closing !== parent.name || open.length === 1)
        throw new Error(`</${closing}> at ${at} closes <${parent.name}>`);
      open.pop();
    }
  }
  if (open.length > 1) throw new Error(`<${open.at(-1)?.name}> is not closed`);
  const elements = root.children.filter((child): child is Element => typeof child !== 'string');
  const [first] = elements;
  if (!first || elements.length > 1) throw new Error(`${elements.length} root elements`);
  return first;
}

/** All elements of this name below, in the order of the document. */
export function elementsNamed(element: Element, name: string): Element[] {
  return element.children.flatMap((child) =>
    typeof child === 'string' ? [] : [...(child.name === name ? [child] : []), ...elementsNamed(child, name)],
  );
}

export const textOf = (element: Element): string =>
  element.children.map((child) => (typeof child === 'string' ? child : textOf(child))).join('');

function attributesOf(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(/([\w:-]+)="([^"]*)"/g)) {
    if (Object.hasOwn(found, name)) throw new Error(`${name} is there twice`);
    found[name] = plain(value);
  }
  return found;
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

function plain(text: string): string {
  return text.replace(/&([^;&]*);?/g, (reference, name: string) => {
    const character = entities[name];
    if (character === undefined || !reference.endsWith(';')) throw new Error(`${reference} is no reference`);
    return character;
  });
}
