/** Text of a fixed width that scrolls in its own box: PEM, YAML. */
export const TextBlock = ({ text }: { readonly text: string }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keys
  <pre class="pem" tabIndex={0}>
    {text}
  </pre>
);
