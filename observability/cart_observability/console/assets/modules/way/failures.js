/**
 * Where failed attempts go: a part of the map that no process reports as such, made of the handlers' errors. Only who
 * failed leads there; dead letters of which nobody tells whose they are lie there alone.
 *
 * @typedef {import("../live.js").Tick} Tick
 * @typedef {import("../live.js").Way} Way
 */

export const FAILURES = "failures";

export class Failures {
    constructor() {
        /** @type {Set<string>} Nodes that failed once: what was drawn stays. */
        this.failed = new Set();
    }

    /**
     * The map with the place to which failed attempts leave, once there are any.
     *
     * @param {Tick} tick
     * @returns {Way}
     */
    added({ way, figures, now }) {
        const handlers = way.nodes.filter(({ kind }) => kind === "handler");
        for (const { id, errors, dead_letters: dead } of handlers) {
            if (errors > 0 || dead) {
                this.failed.add(id);
            }
        }
        const failing = handlers.filter(({ id }) => this.failed.has(id));
        if (failing.length === 0 && !figures.dead_letters) {
            return way;
        }
        const errors = failing.reduce((sum, node) => sum + node.errors, 0);
        const node = {
            id: FAILURES,
            kind: FAILURES,
            name: "failed",
            service: null,
            rate: errors,
            backlog: figures.dead_letters,
            oldest_age_s: null,
            errors: 0,
            dead_letters: null,
            p99_s: null,
            arriving: null,
            leaving: null,
            wait_s: null,
            last: now,
            column: Math.max(0, ...handlers.map(({ column }) => column)) + 1,
        };
        const links = failing.map(({ id, errors: rate, last }) => ({
            id: `${id}>${FAILURES}`,
            from: id,
            to: FAILURES,
            kind: "failed",
            rate,
            errors: rate,
            refused: 0,
            last,
        }));
        return { nodes: [...way.nodes, node], links: [...way.links, ...links] };
    }
}
