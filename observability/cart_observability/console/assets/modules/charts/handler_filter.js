/** Chooses the handler whose charts are shown, of those that were heard of. */
import { nameHandlers } from "../chart/look.js";
import { fill, h } from "../dom.js";

/**
 * @param {import("../pages.js").Context} context
 * @param {() => void} changed
 * @returns {{element: HTMLElement, end: () => void}}
 */
export function handlerFilter({ address, live }, changed) {
    const select = h("select", {
        onchange: () => {
            address.set({ handler: select.value });
            changed();
        },
    });
    let drawn = "";
    const draw = () => {
        const chosen = address.current.parameters.handler ?? "";
        const heard = Object.keys(live.last?.figures.handlers ?? {}).sort();
        nameHandlers(heard);
        const names = heard.includes(chosen) || !chosen ? heard : [...heard, chosen];
        if (drawn !== JSON.stringify([names, chosen])) {
            drawn = JSON.stringify([names, chosen]);
            fill(
                select,
                h("option", { value: "" }, "all"),
                names.map((name) => h("option", { value: name }, name)),
            );
            select.value = chosen;
        }
    };
    const ends = [
        live.subscribe(draw),
        address.onChange((now, before) => {
            draw();
            if (now.parameters.handler !== before.parameters.handler) {
                changed();
            }
        }),
    ];
    draw();
    return { element: h("label", {}, "Handler ", select), end: () => ends.forEach((end) => end()) };
}
