/** What is looked at of a JSON schema. */
export interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
}

/** The keys that a schema knows: `link`, `link.loss`, `population[].name` and so on. */
export function keysOf(node: SchemaNode, at = ''): string[] {
  const own = Object.entries(node.properties ?? {}).flatMap(([key, inner]) => {
    const path = at === '' ? key : `${at}.${key}`;
    return [path, ...keysOf(inner, path), ...keysOf(inner.items ?? {}, `${path}[]`)];
  });
  return [...own, ...(node.anyOf ?? []).flatMap((branch) => keysOf(branch, at))];
}
