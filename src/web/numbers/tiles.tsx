import type { ComponentChildren } from 'preact';

/** A few numbers in a row. */
export const Tiles = ({ children }: { readonly children: ComponentChildren }) => <dl class="tiles">{children}</dl>;

export interface TileProps {
  readonly name: string;
  readonly value: string;
  readonly note?: ComponentChildren;
  /** Where more of it is. */
  readonly href?: string | undefined;
  readonly tone?: 'good' | 'bad' | 'warn' | undefined;
}

export function Tile({ name, value, note, href, tone }: TileProps) {
  return (
    <div class={tone === undefined ? 'tile' : `tile tile-${tone}`}>
      <dt>{name}</dt>
      <dd>
        {href === undefined ? (
          <span class="figure">{value}</span>
        ) : (
          <a class="figure" href={href}>
            {value}
          </a>
        )}
        <span class="muted small">{note}</span>
      </dd>
    </div>
  );
}
