/** The map: the way of events as it is seen now, what is going on in words, and the details of what is chosen. */
import { h } from "../dom.js";
import { plural } from "../format.js";
import { Failures } from "../way/failures.js";
import { Latest } from "../way/latest.js";
import { WayMap } from "../way/map.js";
import { Panel } from "../way/panel.js";
import { WayTable } from "../way/table.js";
import { sentence, trouble } from "../way/words.js";

/**
 * @typedef {import("../shapes.js").Context} Context
 * @typedef {import("../live.js").Tick} Tick
 */

/** For as long as the page is open, as the places of nodes are. */
const failures = new Failures();
const NOTHING = "Nothing was seen yet. As soon as an event is on its way, its way is drawn here.";

/**
 * @param {HTMLElement} root
 * @param {Context} context
 */
function show(root, context) {
    const { address, live, say } = context;
    const words = h("p", { class: "way-sentence" }, "Waiting for the first figures …");
    const nothing = h("p", { class: "empty", hidden: true }, NOTHING);
    const note = h("span", {});
    const map = new WayMap((id) => address.set({ node: address.current.parameters.node === id ? null : id }));
    const panel = new Panel(context);
    const latest = new Latest(context);
    const table = new WayTable();
    let troubled = "";

    /** @param {Tick} tick */
    const draw = (tick) => {
        const way = failures.added(tick);
        nothing.hidden = way.nodes.length > 0;
        map.element.hidden = way.nodes.length === 0;
        words.textContent = sentence(tick);
        const chosen = address.current.parameters.node ?? null;
        map.update(way, tick.now, chosen);
        panel.update(way, tick.now, chosen);
        latest.update(tick, way.nodes.every(({ id }) => id !== chosen));
        table.update(way);
        note.textContent = `One dot is ${plural(map.dots.perDot, "event")}.`;
        const now = trouble(tick);
        if (now !== troubled) {
            troubled = now;
            say(sentence(tick));
        }
    };
    const again = () => void (live.last && draw(live.last));
    root.append(
        words,
        h(
            "div",
            { class: "way-stage" },
            h("div", { class: "way-main" }, map.element, nothing, legend(note), latest.element, table.element),
            panel.element,
        ),
    );
    table.element.addEventListener("toggle", again);
    const ends = [
        live.subscribe(draw),
        live.onState((now) => {
            map.element.classList.toggle("lost", now === "lost");
            return now === "lost" && map.still();
        }),
        address.onChange(again),
        () => map.close(),
        () => panel.close(),
        () => latest.close(),
    ];
    return () => ends.forEach((end) => end());
}

/** @param {HTMLElement} note */
function legend(note) {
    return h(
        "p",
        { class: "way-legend quiet small" },
        h("span", { class: "way-moving" }, h("span", { class: "way-sample" }), note),
        h("span", { class: "way-moving" }, h("span", { class: "bad" }, "✕ "), "failed attempt"),
        h("span", {}, h("span", { class: "way-sample bar" }), "waiting: full at 10,000"),
        h("span", {}, "Choose a part to see more of it."),
    );
}

export default { title: "Map", style: "/styles/way.css", show };
