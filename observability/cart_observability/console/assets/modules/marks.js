/**
 * What charts mark: faults switched on and off, processes that started or failed. Asked for once, for all who show it.
 *
 * @typedef {{time: number, kind: "fault" | "process" | "note", text: string, ended: boolean}} Mark
 */
import { get } from "./api.js";

const EVERY_MS = 3_000;

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
 * Faults as stretches of time, of which one that was not switched off goes on.
 *
 * @param {Mark[]} marks
 * @returns {{text: string, from: number, to: number}[]} In ms; `from` is -Infinity where it was on before.
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
    return [...over, ...on.values()];
}
