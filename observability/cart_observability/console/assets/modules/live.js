/**
 * What happens now, told by the server once a second, and whether it can still be heard.
 *
 * @typedef {{kind: "metrics" | "logs" | "traces", name: string, state: "fresh" | "silent" | "never",
 *     last: number | null, behind_ms: number | null, received: number, dropped: number, refused: number,
 *     detail: string | null}} Source
 * @typedef {{id: string, kind: string, name: string, service: string | null, rate: number | null,
 *     backlog: number | null, oldest_age_s: number | null, errors: number, dead_letters: number | null,
 *     p99_s: number | null, arriving: number | null, leaving: number | null, wait_s: number | null, last: number,
 *     column: number}} WayNode `arriving` and `leaving`: a second, of a queue; `wait_s`: of what was taken from it last.
 * @typedef {{id: string, from: string, to: string, kind: string, rate: number | null, errors: number,
 *     refused: number, last: number}} WayLink
 * @typedef {{nodes: WayNode[], links: WayLink[]}} Way
 * @typedef {{rate: number | null, p50: number | null, p95: number | null, p99: number | null,
 *     age_p99: number | null, in_flight: number | null, slots: number | null, errors: number | null}} HandlerFigures
 * @typedef {{arrival_rate: number | null, throughput: number | null, backlog: number | null,
 *     oldest_age_s: number | null, errors: number | null, dead_letters: number | null,
 *     handlers: Record<string, HandlerFigures>}} Figures
 * @typedef {{now: number, newest: {line: number, event: number}, way: Way, figures: Figures, sources: Source[],
 *     behind_ms: number}} Tick
 * @typedef {import("./pages.js").Overview} Overview
 * @typedef {"live" | "behind" | "lost"} State
 */

/** Without a tick for so long, what the page shows is old, and it says so. */
const LATE_MS = 3_500;
/** Behind by less is what batching costs. */
const BEHIND_MS = 3_000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 8_000;

export class Live {
    /**
     * @param {() => Promise<Overview>} knock Asks the server whether it is there and lets us in; rejects if not.
     * @param {(overview: Overview) => void} welcomed Called with each answer to that, one a connection.
     */
    constructor(knock, welcomed) {
        this.knock = knock;
        this.welcomed = welcomed;
        /** @type {Tick | null} The last one heard. */
        this.last = null;
        /** @type {State} `lost`: the server cannot be heard; `behind`: what is shown is older than it should be. */
        this.state = "lost";
        /** Whether the server answered when it was asked last: else there is no use in asking it for anything. */
        this.reached = false;
        this.retryMs = FIRST_RETRY_MS;
        this.offsetMs = 0;
        this.heardAt = 0;
        /** @type {Set<(tick: Tick) => void>} */
        this.listeners = new Set();
        /** @type {Set<(state: State, before: State) => void>} */
        this.watchers = new Set();
        /** @type {EventSource | null} */
        this.source = null;
        this.timer = 0;
        // Tells an answer that comes after all from the one that is waited for.
        this.attempt = 0;
        // Hidden, a page gives its connection back: a browser has few of them for one host.
        document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    }

    /**
     * Be told of each tick, and at once of the last one if there is one.
     *
     * @param {(tick: Tick) => void} listener
     * @returns {() => void} Ends it.
     */
    subscribe(listener) {
        this.listeners.add(listener);
        if (this.last) {
            listener(this.last);
        }
        return () => void this.listeners.delete(listener);
    }

    /**
     * Be told when `state` changes: from "lost" to another is the time to ask again for what a page shows.
     *
     * @param {(state: State, before: State) => void} watcher
     * @returns {() => void} Ends it.
     */
    onState(watcher) {
        this.watchers.add(watcher);
        return () => void this.watchers.delete(watcher);
    }

    /** The server's time now, in ms since the epoch, as far as its last tick tells. */
    now() {
        return Date.now() + this.offsetMs;
    }

    /** How long nothing was heard, ms. */
    get late() {
        return this.heardAt ? Date.now() - this.heardAt : 0;
    }

    /** Start listening; once lost, it tries again for as long as the page is open. */
    async open() {
        this.close();
        const attempt = this.attempt;
        const overview = await this.knock().catch(() => null);
        if (attempt !== this.attempt) {
            return;
        }
        if (overview === null) {
            this.failed();
        } else {
            this.reached = true;
            this.listen();
            this.welcomed(overview);
        }
    }

    listen() {
        const source = new EventSource("/api/live");
        this.source = source;
        source.addEventListener("tick", (event) => this.heard(event.data));
        source.addEventListener("error", () => this.failed());
        this.expect();
    }

    close() {
        this.attempt += 1;
        clearTimeout(this.timer);
        this.source?.close();
        this.source = null;
    }

    /** @param {string} data */
    heard(data) {
        const tick = /** @type {Tick} */ (JSON.parse(data));
        this.last = tick;
        this.heardAt = Date.now();
        this.offsetMs = tick.now - this.heardAt;
        this.retryMs = FIRST_RETRY_MS;
        this.expect();
        this.turn(tick.behind_ms > BEHIND_MS ? "behind" : "live");
        for (const listener of [...this.listeners]) {
            listener(tick);
        }
    }

    expect() {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.waited(), LATE_MS);
    }

    /** Connected, or connecting, and nothing heard. */
    waited() {
        if (this.state === "live") {
            this.turn("behind");
            this.expect();
        } else {
            this.failed();
        }
    }

    failed() {
        this.close();
        this.reached = false;
        this.turn("lost");
        const spread = 0.5 + Math.random();
        this.timer = setTimeout(() => this.open(), this.retryMs * spread);
        this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
    }

    /** @param {State} state */
    turn(state) {
        const before = this.state;
        if (state !== before) {
            this.state = state;
            for (const watcher of [...this.watchers]) {
                watcher(state, before);
            }
        }
    }
}
