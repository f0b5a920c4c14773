/** Chooses the theme. */
import { h } from "../dom.js";
import { THEMES, choose, theme } from "../theme.js";

/** The sign comes first, and far from the word: of what is chosen, the bar shows no more than that. */
const NAMES = { system: "◐\u2003System", dark: "●\u2003Dark", light: "○\u2003Light" };

/** @returns {HTMLElement} */
export function themeSwitch() {
    const select = h(
        "select",
        {
            class: "shell-theme",
            "aria-label": "Theme",
            title: "Theme",
            value: theme(),
            onchange: () => choose(THEMES.find((one) => one === select.value) ?? "system"),
        },
        THEMES.map((one) => h("option", { value: one }, NAMES[one])),
    );
    return select;
}
