import { type FirstbootError, failure } from '../core/errors.ts';

/** Why a port could not be opened, in words that help. */
export function listenError(
  error: NodeJS.ErrnoException,
  protocol: 'udp' | 'tcp',
  { host, port }: { readonly host: string; readonly port: number },
): FirstbootError {
  const evidence = { protocol, host, port, error: error.code ?? error.message };
  switch (error.code) {
    case 'EADDRINUSE':
      return failure(
        'service.address-in-use',
        evidence,
        'stop the other program, or choose another port with --port (a device: with --listen)',
        error,
      );
    case 'EACCES':
      return failure(
        'service.config',
        evidence,
        'choose a port above 1023, or give the program the right to bind this one',
        error,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return failure(
        'service.config',
        evidence,
        'choose an address of this machine with --host (a device: with --listen)',
        error,
      );
    default:
      return failure('service.config', evidence, 'check host and port', error);
  }
}
