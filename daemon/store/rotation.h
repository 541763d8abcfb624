/* SPDX-License-Identifier: MIT */
#pragma once

/* Opens a new file at path for writing. What is there moves to PATH.1, what is at PATH.1 to PATH.2, and so on, so
 * that `files` are there at the most, the new one among them; the oldest is removed. files is at least 1. Returns
 * a descriptor or a negative errno: then what could be moved has been. */
int rotation_open(const char *path, unsigned files);
