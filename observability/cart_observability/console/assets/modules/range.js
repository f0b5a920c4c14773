/**
 * The time range that all pages share. It is part of the address: `last=900` (seconds), `last=whole`, or `from` and
 * `to` in ms since the epoch.
 *
 * @typedef {{kind: "last", seconds: number} | {kind: "whole"} | {kind: "fixed", from: number, to: number}} Span
 * @typedef {import("./address.js").Address} Address
 */

export const DEFAULT_SECONDS = 900;
const SHORTEST_MS = 1_000;
const YOUNGEST_MS = 60_000;

export class Range {
    /**
     * @param {Address} address
     * @param {() => number} now The server's time, ms.
     * @param {() => number} oldest Of what is kept, ms: where the whole run begins.
     */
    constructor(address, now, oldest) {
        this.address = address;
        this.now = now;
        this.oldest = oldest;
        /** @type {Span} */
        this.current = spanOf(address.current.parameters) ?? { kind: "last", seconds: DEFAULT_SECONDS };
        /** @type {Span} What `resume` goes back to. */
        this.moving = this.current.kind === "fixed" ? { kind: "last", seconds: DEFAULT_SECONDS } : this.current;
        /** @type {Span[]} What `back` goes back to. */
        this.earlier = [];
        /** @type {Set<() => void>} */
        this.listeners = new Set();
        this.write();
        address.onChange(() => this.follow());
    }

    /** Whether the range moves on with time; a fixed one is what pausing and zooming make. */
    get live() {
        return this.current.kind !== "fixed";
    }

    /**
     * Its ends now, ms since the epoch: what the API takes as `from` and `to`.
     *
     * @returns {{from: number, to: number}}
     */
    bounds() {
        if (this.current.kind === "fixed") {
            return { from: this.current.from, to: this.current.to };
        }
        const to = Math.ceil(this.now());
        // Before there was anything there is nothing to see: a young run is not a sliver at the edge of a quarter hour.
        const begun = Math.min(this.oldest(), to - YOUNGEST_MS);
        const from = this.current.kind === "whole" ? begun : Math.max(begun, to - this.current.seconds * 1_000);
        return { from: Math.floor(from), to };
    }

    /** @param {number} seconds */
    last(seconds) {
        this.take({ kind: "last", seconds });
    }

    whole() {
        this.take({ kind: "whole" });
    }

    /**
     * @param {number} from ms
     * @param {number} to ms
     */
    fix(from, to) {
        this.take({ kind: "fixed", from: Math.floor(from), to: Math.ceil(Math.max(to, from + SHORTEST_MS)) });
    }

    /**
     * Look closer, until `back`.
     *
     * @param {number} from ms
     * @param {number} to ms
     */
    zoom(from, to) {
        const before = this.current;
        const earlier = [...this.earlier, before];
        this.fix(from, to);
        this.earlier = earlier;
    }

    /** Back to what it was before the last zoom; from no zoom, to the range that moves. */
    back() {
        const earlier = this.earlier.slice(0, -1);
        this.take(this.earlier.at(-1) ?? this.moving);
        this.earlier = earlier;
    }

    /** Stay where it is. */
    pause() {
        const { from, to } = this.bounds();
        this.fix(from, to);
    }

    /** Go back to the range that moves, as it was before it was paused or zoomed. */
    resume() {
        this.take(this.moving);
    }

    /**
     * Be told when another range is chosen (not when a live one moves on).
     *
     * @param {() => void} listener
     * @returns {() => void} Ends it.
     */
    onChange(listener) {
        this.listeners.add(listener);
        return () => void this.listeners.delete(listener);
    }

    /** @param {Span} span */
    take(span) {
        this.current = span;
        this.earlier = [];
        if (span.kind !== "fixed") {
            this.moving = span;
        }
        this.write();
        for (const listener of [...this.listeners]) {
            listener();
        }
    }

    write() {
        this.address.set({ last: null, from: null, to: null, ...parametersOf(this.current) });
    }

    /** An address that names a range sets it; one that names none is given the range that is on. */
    follow() {
        const span = spanOf(this.address.current.parameters);
        if (span === null) {
            this.write();
        } else if (JSON.stringify(span) !== JSON.stringify(this.current)) {
            this.take(span);
        }
    }
}

/**
 * @param {Span} span
 * @returns {Record<string, number | string>}
 */
function parametersOf(span) {
    if (span.kind === "fixed") {
        return { from: span.from, to: span.to };
    }
    return { last: span.kind === "whole" ? "whole" : span.seconds };
}

/**
 * @param {Record<string, string>} parameters
 * @returns {Span | null}
 */
function spanOf({ last, from, to }) {
    if (last === "whole") {
        return { kind: "whole" };
    }
    if (Number(last) >= 1) {
        return { kind: "last", seconds: Number(last) };
    }
    if (from && to && Number(from) < Number(to)) {
        return { kind: "fixed", from: Number(from), to: Number(to) };
    }
    return null;
}
