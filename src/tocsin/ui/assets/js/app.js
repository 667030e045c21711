// What every page has: each module begins to listen and nothing else.
import "./copy.js";
import "./keyboard.js";
import "./menus.js";
import "./split.js";
import "./theme.js";
import "./times.js";
