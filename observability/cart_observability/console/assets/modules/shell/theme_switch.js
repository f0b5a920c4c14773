/** Chooses the theme. */
import { h } from "../dom.js";
import { THEMES, choose, theme } from "../theme.js";

const NAMES = { system: "System", dark: "Dark", light: "Light" };

/** @returns {HTMLElement} */
export function themeSwitch() {
    const select = h(
        "select",
        {
            "aria-label": "Theme",
            value: theme(),
            onchange: () => choose(THEMES.find((one) => one === select.value) ?? "system"),
        },
        THEMES.map((one) => h("option", { value: one }, NAMES[one])),
    );
    return select;
}
