// Light and dark: the system's choice, until the person chooses with the button.

/** @param {HTMLElement} button */
export function addThemeButton(button) {
  const root = document.documentElement;
  root.dataset.theme = localStorage.getItem("theme") || "";
  button.addEventListener("click", () => {
    root.dataset.theme = isDark(root.dataset.theme) ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  });
}

/** @param {string | undefined} chosen */
function isDark(chosen) {
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
