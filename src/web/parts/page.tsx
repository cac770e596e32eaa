import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

export interface PageProps {
  /** The one heading of the page, and the name of the browser's tab. */
  readonly title: string;
  /** One sentence, or what stands beside the heading (badges). */
  readonly lead?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly children?: ComponentChildren;
}

/** What every page is wrapped in. Its heading takes the focus when somebody comes from another page, so that
 * readers begin there. */
export function Page({ title, lead, actions, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Together with the heading: an effect would leave the title of the page before for a frame or more.
  useLayoutEffect(() => {
    document.title = `${title} · firstboot`;
  }, [title]);
  useEffect(() => {
    // The frame puts the focus there when somebody goes to another page.
    if (document.activeElement?.id === 'main') heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <>
      <div class="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {lead === undefined ? null : <div class="lead">{lead}</div>}
        </div>
        {actions === undefined ? null : <div class="actions">{actions}</div>}
      </div>
      {children}
    </>
  );
}

/** A part of a page with a heading of its own. */
export function Panel({ title, actions, children }: PageProps) {
  return (
    <section class="panel">
      <div class="panel-head">
        <h2>{title}</h2>
        {actions === undefined ? null : <div class="actions">{actions}</div>}
      </div>
      {children}
    </section>
  );
}
