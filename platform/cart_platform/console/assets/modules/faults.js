/** The faults of the chain: what each does, the switch, and where to see it. */
import { fill, h, keep } from "/modules/dom.js";
import { plural } from "/modules/format.js";
import { titleOf } from "/modules/marks.js";
import { Failure } from "./failure.js";
import { FaultCard } from "./faults/card.js";

/**
 * @typedef {import("/modules/pages.js").Context} Context
 * @typedef {import("./faults/card.js").Fault} Fault
 */

/** Somebody else may switch, at a terminal or in another window. */
const EVERY_MS = 2_000;
const SOON_MS = 600;

class Faults {
    /**
     * @param {HTMLElement} root
     * @param {Context} context
     */
    constructor(root, context) {
        this.context = context;
        /** @type {Map<string, FaultCard>} */
        this.cards = new Map();
        /** @type {Set<string>} Those that happen once. */
        this.once = new Set();
        this.asked = 0;
        this.failure = new Failure();
        this.summary = h("span", { role: "status" });
        this.allOff = h("button", { type: "button", hidden: true, onclick: () => this.switchAllOff() }, "Switch all off");
        this.list = h("div", { class: "faults-cards" });
        root.append(
            h(
                "p",
                { class: "quiet faults-about" },
                "A fault is switched on in the running chain and acts within a second. Nothing is lost by it: that is ",
                "what there is to see. Charts mark the time, and the bar says what is on.",
            ),
            h("div", { class: "toolbar" }, this.summary, this.allOff),
            this.failure.element,
            this.list,
        );
    }

    /** @param {number} now */
    tick(now) {
        this.cards.forEach((card) => card.pass(now));
        if (now - this.asked >= EVERY_MS) {
            this.ask();
        }
    }

    async ask() {
        this.asked = this.context.live.now();
        await this.failure.attempt("list", async () => this.draw(await this.context.api.get("/api/faults")));
    }

    /** @param {Fault[]} faults */
    draw(faults) {
        keep(
            this.list,
            faults,
            ({ name }) => name,
            (fault) => this.card(fault).element,
            (_, fault) => this.card(fault),
        );
        const on = faults.filter((fault) => fault.on.length);
        fill(this.summary, on.length ? `${plural(on.length, "fault is", "faults are")} on` : "No fault is on.");
        this.allOff.hidden = on.length === 0;
    }

    /** @param {Fault} fault */
    card(fault) {
        let card = this.cards.get(fault.name);
        if (!card) {
            card = new FaultCard(fault, (name, act, wish) => this.turn(name, act, wish));
            this.cards.set(fault.name, card);
            fault.happens_once && this.once.add(fault.name);
        }
        card.show(fault, this.context.live.now());
        return card;
    }

    /**
     * @param {string} name
     * @param {"on" | "off"} act
     * @param {{handler?: string | null, seconds?: number | null}} wish
     */
    async turn(name, act, wish) {
        await this.failure.attempt("switch", async () => {
            const { said } = await this.context.api.post(`/api/faults/${name}/${act}`, wish);
            this.context.say(said.replace(name, titleOf(name)));
            if (act === "on" && this.once.has(name)) {
                this.cards.get(name)?.happen(this.context.live.now());
                // It is over as soon as somebody has taken it up.
                setTimeout(() => this.ask(), SOON_MS);
            }
        });
        await this.ask();
    }

    async switchAllOff() {
        const on = [...this.cards.values()].filter((card) => card.isOn).map((card) => card.name);
        for (const name of on) {
            await this.failure.attempt("switch", () => this.context.api.post(`/api/faults/${name}/off`, {}));
        }
        await this.ask();
        this.context.say("Every fault is off.");
    }
}

export default {
    title: "Faults",
    style: "/extensions/styles/faults.css",

    /**
     * @param {HTMLElement} root
     * @param {Context} context
     */
    show(root, context) {
        const faults = new Faults(root, context);
        const ends = [
            context.live.subscribe(({ now }) => faults.tick(now)),
            context.live.onState((_, before) => void (before === "lost" && faults.ask())),
        ];
        faults.ask();
        return () => ends.forEach((end) => end());
    },
};
