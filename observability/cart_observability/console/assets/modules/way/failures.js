/**
 * Where failed attempts go: a part of the map that no process reports as such, made of the handlers' errors.
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
        for (const { id, errors } of handlers) {
            if (errors > 0) {
                this.failed.add(id);
            }
        }
        const failing = handlers.filter(({ id }) => this.failed.has(id));
        if (failing.length === 0 && !figures.dead_letters) {
            return way;
        }
        const from = failing.length ? failing : handlers;
        const errors = from.reduce((sum, node) => sum + node.errors, 0);
        const node = {
            id: FAILURES,
            kind: FAILURES,
            name: "failed",
            service: null,
            rate: errors,
            backlog: figures.dead_letters,
            oldest_age_s: null,
            errors: 0,
            p99_s: null,
            last: now,
            column: Math.max(0, ...from.map(({ column }) => column)) + 1,
        };
        const links = from.map(({ id, errors: rate, last }) => ({
            id: `${id}>${FAILURES}`,
            from: id,
            to: FAILURES,
            kind: "failed",
            rate,
            errors: rate,
            last,
        }));
        return { nodes: [...way.nodes, node], links: [...way.links, ...links] };
    }
}
