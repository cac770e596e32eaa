import { noBytes, utf8 } from '../core/bytes.ts';
import { errorTable } from '../core/errors.ts';
import { code } from './code.ts';
import type { IncomingRequest, IncomingResponse, Method, OutgoingRequest, OutgoingResponse } from './endpoint.ts';
import type { CoapMessage, CoapOption, MessageParts } from './message.ts';
import {
  checkOptions,
  findOption,
  optionNumber,
  stringOption,
  uintOf,
  uintOption,
  uriPath,
  uriQuery,
} from './options.ts';
import { sortOptions } from './wire.ts';

/**
 * Reads a request message into what a handler sees. A request that must not be served carries its fault: 4.02 for a
 * critical option (RFC 7252 §5.4.1), 5.05 for a request to a proxy (RFC 7252 §5.10.2).
 */
export function readRequest(message: CoapMessage, method: Method, confirmable: boolean): IncomingRequest {
  const checked = checkOptions(message, 'request');
  if (!checked.ok) {
    const fault = { code: code.badOption, text: checked.fault.text };
    return { ...bareRequest(message, method, confirmable), fault };
  }
  const { options } = checked;
  const request: IncomingRequest = {
    method,
    path: uriPath(options),
    query: uriQuery(options),
    payload: message.payload,
    contentFormat: uintOf(options, optionNumber.contentFormat),
    accept: uintOf(options, optionNumber.accept),
    options,
    confirmable,
    token: message.token,
  };
  const proxied = findOption(options, optionNumber.proxyUri) ?? findOption(options, optionNumber.proxyScheme);
  if (proxied === undefined) return request;
  return { ...request, fault: { code: code.proxyingNotSupported, text: 'this is not a proxy' } };
}

/** The options of a request: those of its fields and its own, in order. */
export function requestOptions(request: OutgoingRequest): readonly CoapOption[] {
  const options: CoapOption[] = [];
  for (const segment of request.path) options.push(stringOption(optionNumber.uriPath, segment));
  if (request.contentFormat !== undefined) options.push(uintOption(optionNumber.contentFormat, request.contentFormat));
  for (const item of request.query ?? []) options.push(stringOption(optionNumber.uriQuery, item));
  if (request.accept !== undefined) options.push(uintOption(optionNumber.accept, request.accept));
  return merged(options, request.options);
}

/** The options of a response: Content-Format and its own, in order. */
export function responseOptions(response: OutgoingResponse): readonly CoapOption[] {
  if (response.contentFormat === undefined) return sortOptions(response.options ?? []);
  return merged([uintOption(optionNumber.contentFormat, response.contentFormat)], response.options);
}

/** The message of a response that is not block-wise. */
export const responseParts = (response: OutgoingResponse): MessageParts => ({
  code: response.code,
  options: responseOptions(response),
  payload: response.payload ?? noBytes,
});

/** The answer to one request too many, or to one that nobody answered in time. */
export const busy: OutgoingResponse = { code: code.serviceUnavailable, payload: utf8(errorTable['service.busy'].text) };

/** The answer to a request code that is not known here (RFC 7252 §5.8). */
export const methodNotAllowed: OutgoingResponse = {
  code: code.methodNotAllowed,
  payload: utf8(errorTable['request.method'].text),
};

/** Reads a response message whose options have been checked. */
export function readResponse(message: CoapMessage): IncomingResponse {
  const { code: responseCode, options, payload } = message;
  return { code: responseCode, payload, contentFormat: uintOf(options, optionNumber.contentFormat), options };
}

function merged(own: readonly CoapOption[], more: readonly CoapOption[] | undefined): readonly CoapOption[] {
  return more === undefined || more.length === 0 ? own : sortOptions([...own, ...more]);
}

const bareRequest = (message: CoapMessage, method: Method, confirmable: boolean): IncomingRequest => ({
  method,
  path: [],
  query: [],
  payload: message.payload,
  contentFormat: undefined,
  accept: undefined,
  options: message.options,
  confirmable,
  token: message.token,
});
