import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso/router';
import type { PagedList } from '../api/paged-list.ts';
import { ProblemNote } from './problem-note.tsx';
import { useQuery } from './query.ts';
import { useShortcuts } from './shortcuts.tsx';
import { plural } from './words.ts';

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Value of `sort` in the address when the list is in order of this column, and which way it goes. */
  readonly sort?: { readonly by: string; readonly order: 'ascending' | 'descending'; readonly standard?: boolean };
  /** choice: a box. tiny: a number. time: a time. small: a badge. badges: two. medium: a word or two. large: what is left. */
  readonly size?: 'choice' | 'tiny' | 'time' | 'small' | 'badges' | 'medium' | 'large';
  readonly align?: 'end';
}

export interface DataTableProps<Row> {
  /** What the rows are, for readers: `Devices`. */
  readonly label: string;
  /** One row is one of these: `device`. */
  readonly one: string;
  /** The first column names the row. */
  readonly columns: readonly Column<Row>[];
  readonly list: PagedList<Row>;
  readonly rowKey: (row: Row) => string;
  /** Where a row leads; it becomes the link of the first column. */
  readonly href?: (row: Row) => string;
  /** What to do when there is no row. */
  readonly empty: ComponentChildren;
}

/**
 * A long list of the service: rows come page by page, and only those around the window are in the document. j and k, or the
 * arrows, go from row to row. On a phone rows are cards.
 */
export function DataTable<Row>({ label, one, columns, list, rowKey, href, empty }: DataTableProps<Row>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [height, setHeight] = useState(45);
  const [range, setRange] = useState({ from: 0, to: 30 });
  const active = useActiveRow({ list, body, height });
  const from = Math.min(range.from, list.count);
  const to = Math.min(range.to, list.count);

  useEffect(() => {
    const measure = () => {
      const table = body.current;
      if (!table) return;
      const top = -table.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(top / height) - spare);
      const last = Math.max(0, Math.ceil((top + innerHeight) / height) + spare);
      setRange((before) => (before.from === first && before.to === last ? before : { from: first, to: last }));
    };
    measure();
    addEventListener('scroll', measure, { passive: true });
    addEventListener('resize', measure);
    return () => {
      removeEventListener('scroll', measure);
      removeEventListener('resize', measure);
    };
  }, [height]);
  useEffect(() => list.look(range.from, range.to), [list, range]);
  useLayoutEffect(() => {
    const measured = body.current?.querySelector<HTMLElement>('tr[data-row]')?.offsetHeight ?? 0;
    if (measured > 0 && measured !== height) setHeight(measured);
  });

  const shown = Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
  const none = list.complete && list.count === 0;
  return (
    <div class="data-table">
      <table
        aria-label={label}
        aria-rowcount={list.complete ? list.count + 1 : -1}
        aria-busy={list.loading}
        onKeyDown={active.onKeyDown}
      >
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.head} column={column} />
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          <Gap columns={columns.length} height={from * height} />
          {shown.map((index) => {
            const row = list.row(index);
            return (
              <tr
                key={row === undefined ? `row ${index}` : rowKey(row)}
                data-row={index}
                aria-rowindex={index + 2}
                tabIndex={-1}
              >
                {columns.map(({ head, cell, size, align }, place) => {
                  const value = row === undefined ? <span class="skeleton" /> : cell(row);
                  return place === 0 ? (
                    <th key={head} scope="row">
                      {href && row !== undefined ? (
                        <a class="row-link" href={href(row)}>
                          {value}
                        </a>
                      ) : (
                        value
                      )}
                    </th>
                  ) : (
                    <td key={head} data-head={head} class={`cell-${size ?? 'any'}${align === 'end' ? ' end' : ''}`}>
                      {value}
                    </td>
                  );
                })}
              </tr>
            );
          })}
          <Gap columns={columns.length} height={Math.max(0, list.count - to) * height} />
        </tbody>
      </table>
      {none && list.error === undefined ? <div class="empty">{empty}</div> : null}
      {list.error === undefined ? null : <ProblemNote error={list.error} retry={() => void list.refresh()} />}
      <p class="table-foot muted" role="status">
        {status(list, one)}
      </p>
    </div>
  );
}

/** Rows above and below the window that are in the document. */
const spare = 8;

function status<Row>(list: PagedList<Row>, one: string): string {
  if (list.count === 0) return list.loading ? 'Loading …' : '';
  return list.complete ? plural(list.count, one) : `${plural(list.count, one)} so far, more below`;
}

function Head<Row>({ column: { head, sort, size, align } }: { readonly column: Column<Row> }) {
  const [query, change] = useQuery();
  const sorted = sort !== undefined && (query.sort === undefined ? sort.standard === true : query.sort === sort.by);
  const kind = `${size === undefined ? '' : `col-${size}`}${align === 'end' ? ' end' : ''}`;
  if (!sort) {
    return (
      <th scope="col" class={kind}>
        {head}
      </th>
    );
  }
  return (
    <th scope="col" class={kind} aria-sort={sorted ? sort.order : 'none'}>
      <button type="button" class="sort" onClick={() => change({ sort: sort.standard ? undefined : sort.by })}>
        {head}
        <span aria-hidden="true">{sorted ? (sort.order === 'ascending' ? ' ↑' : ' ↓') : ''}</span>
      </button>
    </th>
  );
}

const Gap = ({ columns, height }: { readonly columns: number; readonly height: number }) =>
  height > 0 ? (
    <tr class="gap">
      <td colSpan={columns} style={{ height: `${height}px` }} />
    </tr>
  ) : null;

/** Moves the focus from row to row, also to those that are not in the document yet. */
function useActiveRow<Row>({
  list,
  body,
  height,
}: {
  list: PagedList<Row>;
  body: { readonly current: HTMLTableSectionElement | null };
  height: number;
}) {
  const { path } = useLocation();
  const wanted = useRef<number | undefined>(undefined);
  /** The row that has the focus, or gets it as soon as it is in the document; -1: none. */
  const place = (): number => {
    if (wanted.current !== undefined) return wanted.current;
    const row = document.activeElement?.closest('tr[data-row]');
    return row && body.current?.contains(row) ? Number(row.getAttribute('data-row')) : -1;
  };
  const take = () => {
    if (wanted.current === undefined) return;
    const row = body.current?.querySelector<HTMLElement>(`tr[data-row="${wanted.current}"]`);
    if (!row) return;
    wanted.current = undefined;
    (row.querySelector<HTMLElement>('a.row-link') ?? row).focus({ preventScroll: true });
  };
  const go = (index: number) => {
    if (!body.current || list.count === 0) return;
    const next = Math.min(Math.max(index, 0), list.count - 1);
    wanted.current = next;
    const top = body.current.getBoundingClientRect().top + next * height;
    const above = top - covered;
    const below = top + height + height - innerHeight;
    if (above < 0) scrollBy({ top: above, behavior: 'instant' });
    else if (below > 0) scrollBy({ top: below, behavior: 'instant' });
    take();
  };
  useLayoutEffect(take);
  useShortcuts([
    { keys: 'j', label: 'Next row', run: () => go(place() + 1) },
    { keys: 'k', label: 'Row before', run: () => go(place() - 1) },
  ]);
  useLayoutEffect(() => {
    wanted.current = undefined;
  }, [path]);
  return {
    onKeyDown: (event: KeyboardEvent) => {
      const at = place();
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: list.count - 1 }[event.key];
      if (to === undefined || at < 0) return;
      event.preventDefault();
      go(to);
    },
  };
}

/** What the bar at the top and the head of the table cover, px. */
const covered = 110;
