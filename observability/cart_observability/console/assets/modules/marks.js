/**
 * What charts mark: faults switched on and off, processes that started or failed. Asked for once, for all who show it.
 *
 * @typedef {{time: number, kind: "fault" | "process" | "note", text: string, ended: boolean}} Mark
 * @typedef {{fault: string, whom: string[], text: string, from: number, to: number}} Stretch In ms; `from` is -Infinity
 *     where the fault was on before.
 */
import { get } from "./api.js";

const EVERY_MS = 3_000;
/** Processes take notice within this time of a fault that is switched for several of them at once. */
const TOGETHER_MS = 5_000;
/** The name of a fault and whom it concerns: "slow-handler threshold". Anything else is a text of somebody's own. */
const NAMED = /^(\w+(?:-\w+)+)(?: (\S+))?$/;

export class Marks {
    /**
     * @param {() => {from: number, to: number}} bounds Of the time whose marks are wanted, ms.
     * @param {import("./live.js").Live} live
     */
    constructor(bounds, live) {
        this.bounds = bounds;
        this.live = live;
        /** @type {Mark[]} Oldest first. */
        this.list = [];
        /** @type {Set<() => void>} */
        this.listeners = new Set();
        this.timer = 0;
    }

    /**
     * Be told when there are others.
     *
     * @param {() => void} listener
     * @returns {() => void} Ends it.
     */
    onChange(listener) {
        this.listeners.add(listener);
        return () => void this.listeners.delete(listener);
    }

    /** Ask now, and again every few seconds while the page is seen. */
    async ask() {
        clearTimeout(this.timer);
        if (!document.hidden && this.live.reached) {
            // A server that is away for a moment takes nothing from what is marked.
            this.take(await get("/api/marks", this.bounds()).catch(() => this.list));
        }
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.ask(), EVERY_MS);
    }

    /** @param {Mark[]} list */
    take(list) {
        const changed = JSON.stringify(list) !== JSON.stringify(this.list);
        this.list = list;
        if (changed) {
            for (const listener of [...this.listeners]) {
                listener();
            }
        }
    }
}

/**
 * The name of a fault as a person says it.
 *
 * @param {string} name "slow-handler"
 */
export function titleOf(name) {
    return name.slice(0, 1).toUpperCase() + name.slice(1).replaceAll("-", " ");
}

/**
 * A fault and whom it concerns: "Slow handler: threshold, popularity".
 *
 * @param {string} fault Its title.
 * @param {string[]} whom
 */
export function textOf(fault, whom) {
    return whom.length ? `${fault}: ${[...new Set(whom)].join(", ")}` : fault;
}

/**
 * Faults as stretches of time, of which one that was not switched off goes on; one that was switched for several at once
 * is one.
 *
 * @param {Mark[]} marks Oldest first.
 * @returns {Stretch[]}
 */
export function faultsIn(marks) {
    /** @type {Map<string, {text: string, from: number, to: number}>} */
    const on = new Map();
    const over = [];
    for (const { time, text, ended } of marks.filter((mark) => mark.kind === "fault")) {
        const fault = on.get(text) ?? { text, from: ended ? -Infinity : time, to: Infinity };
        on.set(text, fault);
        if (ended) {
            over.push({ ...fault, to: time });
            on.delete(text);
        }
    }
    return together([...over, ...on.values()].map(({ text, from, to }) => ({ ...named(text), from, to })));
}

/** @param {string} text */
function named(text) {
    const [, name = text, whom] = NAMED.exec(text) ?? [];
    return { fault: titleOf(name), whom: whom ? [whom] : [] };
}

/**
 * @param {Omit<Stretch, "text">[]} stretches
 * @returns {Stretch[]}
 */
function together(stretches) {
    /** @type {Omit<Stretch, "text">[]} */
    const all = [];
    for (const one of stretches) {
        const same = all.find(({ fault, from, to }) => fault === one.fault && near(from, one.from) && near(to, one.to));
        if (same) {
            same.whom.push(...one.whom);
        } else {
            all.push(one);
        }
    }
    return all.map((one) => ({ ...one, text: textOf(one.fault, one.whom) }));
}

/**
 * @param {number} one
 * @param {number} other
 */
function near(one, other) {
    // Two that have no end have the same.
    return one === other || Math.abs(one - other) < TOGETHER_MS;
}
