/** Dead letters: what was given up and why, and what becomes of it: replayed, or deleted. */
import { h, keep } from "/modules/dom.js";
import { plural } from "/modules/format.js";
import { Failure } from "/extensions/modules/failure.js";
import { confirmed } from "./dead_letters/confirm.js";
import { LetterRows } from "./dead_letters/letter.js";
import { Replays } from "./dead_letters/replays.js";

/**
 * @typedef {import("/modules/pages.js").Context} Context
 * @typedef {import("./dead_letters/letter.js").Letter} Letter
 * @typedef {import("./dead_letters/replays.js").Replay} Replay
 * @typedef {{letters: Letter[], more: string[], replays: Replay[]}} Answer
 * @typedef {"replay" | "purge"} Act
 */

const COLUMNS = ["Given up at", "Handler", "Event", "Reason", "Attempts", "Last error"];
/** Looked at again so often while something is expected to change, and while nothing is. */
const SOON_MS = 2_000;
const LATER_MS = 10_000;

class DeadLetters {
    /**
     * @param {HTMLElement} root
     * @param {Context} context
     */
    constructor(root, context) {
        this.context = context;
        /** @type {Answer} */
        this.answer = { letters: [], more: [], replays: [] };
        /** @type {Map<string, LetterRows>} */
        this.rows = new Map();
        /** @type {Set<string>} */
        this.chosen = new Set();
        /** @type {number | null} */
        this.counted = null;
        this.asked = 0;
        this.due = 0;
        this.handler = h("select", { "aria-label": "Filter by handler" });
        this.handler.addEventListener("change", () => context.address.set({ handler: this.handler.value }));
        this.summary = h("span", { role: "status" });
        this.replay = h("button", { type: "button", class: "primary", onclick: () => this.act("replay") });
        this.purge = h("button", { type: "button", class: "danger", onclick: () => this.act("purge") });
        this.failure = new Failure();
        this.all = h("input", { type: "checkbox", "aria-label": "Choose all that are shown" });
        this.all.addEventListener("change", () => this.chooseAll());
        this.head = head(this.all);
        this.table = h("table", { class: "dead-letters" }, this.head);
        this.scrolls = h(
            "div",
            { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Dead letters, the oldest first" },
            this.table,
        );
        this.empty = h("p", { class: "empty", hidden: true });
        this.replays = new Replays();
        root.append(
            h(
                "div",
                { class: "toolbar dead-letters-tools" },
                this.handler,
                this.summary,
                h("span", { class: "push" }),
                this.replay,
                this.purge,
            ),
            this.failure.element,
            this.scrolls,
            this.empty,
            this.replays.element,
        );
    }

    /** @param {import("/modules/live.js").Tick} tick */
    tick({ now, figures }) {
        if (figures.dead_letters !== this.counted) {
            this.counted = figures.dead_letters;
            this.due = Math.min(this.due, this.asked + SOON_MS);
        }
        if (now >= this.due) {
            this.ask();
        }
    }

    async ask() {
        const { api, live } = this.context;
        this.asked = live.now();
        this.due = this.asked + LATER_MS;
        await this.failure.attempt("list", async () => {
            this.answer = await api.get("/api/dead-letters");
            this.draw();
        });
        if (this.replays.open) {
            this.due = Math.min(this.due, this.asked + SOON_MS);
        }
    }

    /** The letters that the filter leaves. */
    get shown() {
        const { handler } = this.context.address.current.parameters;
        return this.answer.letters.filter((letter) => !handler || letter.handler === handler);
    }

    /** Those chosen among them. */
    get picked() {
        return this.shown.filter((letter) => this.chosen.has(keyOf(letter)));
    }

    draw() {
        const { letters, replays } = this.answer;
        const there = new Set(letters.map(keyOf));
        this.chosen.forEach((key) => there.has(key) || this.chosen.delete(key));
        this.rows.forEach((_, key) => there.has(key) || this.rows.delete(key));
        this.offer();
        // The head is a child of the table too.
        keep(
            this.table,
            [null, ...this.shown],
            (letter) => (letter ? keyOf(letter) : "head"),
            (letter) => (letter ? this.made(letter).element : this.head),
        );
        this.empty.hidden = this.shown.length > 0;
        this.empty.textContent = letters.length
            ? "This handler has no dead letters."
            : "No dead letters: nothing was given up. The faults “failing handler” and “poison message” bring some.";
        this.scrolls.hidden = this.shown.length === 0;
        this.replays.draw(replays);
        this.drawChoice();
    }

    /** @param {Letter} letter */
    made(letter) {
        const rows = new LetterRows(letter, {
            choose: (on) => this.choose(letter, on),
            act: (act) => this.act(act, [letter]),
        });
        this.rows.set(keyOf(letter), rows);
        return rows;
    }

    offer() {
        const { handler = "" } = this.context.address.current.parameters;
        const names = new Set(this.answer.letters.map((letter) => letter.handler));
        handler && names.add(handler);
        keep(this.handler, ["", ...[...names].sort()], (name) => name, (name) => h("option", { value: name }, name || "All handlers"));
        this.handler.value = handler;
    }

    drawChoice() {
        const { more } = this.answer;
        const [shown, picked] = [this.shown, this.picked];
        const all = picked.length === 0;
        this.summary.textContent = shown.length
            ? plural(shown.length, "dead letter") + (more.length ? `, the oldest; ${more.join(", ")} has more` : "")
            : "";
        this.replay.textContent = all ? "Replay all" : `Replay ${picked.length} chosen`;
        this.purge.textContent = all ? "Purge all" : `Purge ${picked.length} chosen`;
        this.replay.disabled = this.purge.disabled = shown.length === 0;
        this.all.checked = shown.length > 0 && picked.length === shown.length;
        this.all.indeterminate = picked.length > 0 && picked.length < shown.length;
        this.rows.forEach((rows, key) => rows.choose(this.chosen.has(key)));
    }

    /**
     * @param {Letter} letter
     * @param {boolean} on
     */
    choose(letter, on) {
        on ? this.chosen.add(keyOf(letter)) : this.chosen.delete(keyOf(letter));
        this.drawChoice();
    }

    chooseAll() {
        const on = this.all.checked;
        this.shown.forEach((letter) => (on ? this.chosen.add(keyOf(letter)) : this.chosen.delete(keyOf(letter))));
        this.drawChoice();
    }

    /**
     * Replay or purge: these letters, else the chosen ones, else all that the filter means.
     *
     * @param {Act} act
     * @param {Letter[]} letters
     */
    async act(act, letters = this.picked) {
        const { handler = "" } = this.context.address.current.parameters;
        if (!(await confirmed(act, letters.length, handler))) {
            return;
        }
        await this.failure.attempt(act, async () => {
            let done = 0;
            for (const wish of wishes(letters, handler)) {
                const answer = await this.context.api.post(`/api/dead-letters/${act}`, wish);
                done += answer.replayed ?? answer.purged;
            }
            this.chosen.clear();
            this.context.say(`${plural(done, "dead letter")} ${act === "replay" ? "replayed" : "purged"}.`);
        });
        await this.ask();
    }
}

/**
 * What is asked of the server: an id names a letter within its handler's queue only.
 *
 * @param {Letter[]} letters
 * @param {string} handler
 * @returns {{ids: string[] | null, handler: string | null}[]}
 */
function wishes(letters, handler) {
    if (letters.length === 0) {
        return [{ ids: null, handler: handler || null }];
    }
    const handlers = [...new Set(letters.map((letter) => letter.handler))];
    return handlers.map((name) => ({
        ids: letters.filter((letter) => letter.handler === name).map((letter) => letter.id),
        handler: name,
    }));
}

/** @param {Letter} letter */
function keyOf({ queue, id }) {
    return `${queue} ${id}`;
}

/** @param {HTMLElement} all */
function head(all) {
    const names = COLUMNS.map((name) => h("th", { scope: "col", class: [`dead-letters-${name.split(" ")[0].toLowerCase()}`] }, name));
    return h("thead", { "data-key": "head" }, h("tr", {}, h("td", {}, all), names, h("td", {})));
}

export default {
    title: "Dead letters",
    style: "/extensions/styles/dead_letters.css",

    /**
     * @param {HTMLElement} root
     * @param {Context} context
     */
    show(root, context) {
        const page = new DeadLetters(root, context);
        const ends = [
            context.live.subscribe((tick) => page.tick(tick)),
            context.live.onState((_, before) => void (before === "lost" && page.ask())),
            context.address.onChange(() => page.draw()),
        ];
        page.ask();
        return () => ends.forEach((end) => end());
    },
};
