/**
 * The console's HTTP API: every answer is JSON, every refusal a `Problem`.
 *
 * @typedef {string | number | boolean | null | undefined} Value
 * @typedef {Record<string, Value | Value[]>} Parameters
 */
import { held } from "./token.js";

/** What the server refused, or that it could not be reached (status 0): `message` is for the user. */
export class Problem extends Error {
    /**
     * @param {number} status
     * @param {string} message
     * @param {Record<string, any>} [body] All of the problem document; `body.position` where a query could not be read.
     */
    constructor(status, message, body = {}) {
        super(message);
        this.name = "Problem";
        this.status = status;
        this.body = body;
    }

    /** Whether the server was not reached at all: the shell says so, and pages keep what they show. */
    get lost() {
        return this.status === 0;
    }
}

/**
 * What the API answers.
 *
 * @param {string} path From the root: "/api/overview".
 * @param {Parameters} [parameters] Lists repeat; null and undefined are left out.
 * @param {AbortSignal} [signal] Aborting rejects with an error whose `name` is "AbortError".
 * @returns {Promise<any>}
 * @throws {Problem}
 */
export function get(path, parameters = {}, signal = undefined) {
    return answer(path + query(parameters), { headers: shown(), signal });
}

/**
 * Ask for something to be done.
 *
 * @param {string} path
 * @param {unknown} body Sent as JSON.
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 * @throws {Problem}
 */
export function post(path, body, signal = undefined) {
    const headers = { "Content-Type": "application/json", "X-Cartscope-Console": "1", ...shown() };
    return answer(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/**
 * The token, where there is one.
 *
 * @returns {Record<string, string>}
 */
function shown() {
    const token = held();
    return token ? { Authorization: `Bearer ${token}` } : {};
}

/** @param {Parameters} parameters */
function query(parameters) {
    const pairs = Object.entries(parameters).flatMap(([name, value]) =>
        (Array.isArray(value) ? value : [value])
            .filter((one) => one !== null && one !== undefined)
            .map((one) => [name, String(one)]),
    );
    return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}

/**
 * @param {string} address
 * @param {RequestInit} options
 */
async function answer(address, options) {
    const response = await whole(() => fetch(address, options));
    if (!response.ok) {
        const body = await response.json().catch(() => null);
        throw new Problem(response.status, said(response, body), body ?? {});
    }
    return await whole(() => response.json());
}

/**
 * What came as a whole: an answer can break off, or be aborted, while it is read.
 *
 * @template Answer
 * @param {() => Promise<Answer>} receive
 */
async function whole(receive) {
    try {
        return await receive();
    } catch (error) {
        if (error instanceof DOMException && error.name === "AbortError") {
            throw error;
        }
        throw new Problem(0, "The console cannot be reached.");
    }
}

/**
 * @param {Response} response
 * @param {any} body
 */
function said(response, body) {
    return body?.detail ?? body?.title ?? `The console answered ${response.status} ${response.statusText}.`;
}
