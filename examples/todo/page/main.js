// The page: a panel for each device that this program is.

import { Device } from "./device.js";
import { pageKeys } from "./keys.js";

const names = document.body.dataset.devices.split(" ");
const isDemo = names.length > 1;
document.body.classList.toggle("demo", isDemo);
document.querySelector(".intro").hidden = !isDemo;

const devices = names.map((name) => new Device(name, name === "this" ? "This device" : name));
document.getElementById("devices").append(...devices.map((device) => device.element));
pageKeys(devices);
