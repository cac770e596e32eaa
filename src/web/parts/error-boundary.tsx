import { Component, type ComponentChildren } from 'preact';
import { Page } from './page.tsx';
import { ProblemNote } from './problem-note.tsx';

interface Props {
  /** A new value (the address) is a new try. */
  readonly at: string;
  readonly children: ComponentChildren;
}

/** Keeps what breaks in a page from taking the rest with it. */
export class ErrorBoundary extends Component<Props, { readonly error?: unknown; readonly at?: string }> {
  override state: { readonly error?: unknown; readonly at?: string } = {};

  override componentDidCatch(error: unknown): void {
    this.setState({ error, at: this.props.at });
  }

  override render({ at, children }: Props) {
    if (this.state.error === undefined || this.state.at !== at) return children;
    return (
      <Page title="This page broke">
        <ProblemNote error={this.state.error} retry={() => location.reload()} />
      </Page>
    );
  }
}
