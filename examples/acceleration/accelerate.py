#!/usr/bin/env python3
"""One job of an acceleration session, with nothing but Python's standard library.

    accelerate.py DIRECTORY PROGRAM [--shared] [--metadata HEX] [--room BYTES] < input > output

DIRECTORY is what was mounted for the session; its token is in OUTBOARD_ACCELERATION_TOKEN, in hexadecimal digits. What
the steps made (nonces, tags, digests) goes to standard error, in hexadecimal digits: give it back by --metadata to undo
them. With --shared the data is in memory shared with the worker instead of on the socket.
"""

import argparse
import json
import mmap
import os
import socket
import struct
import sys

HELLO, WELCOME, SUBMIT, COMPLETE = 1, 2, 3, 4
INPUT_SHARED, OUTPUT_SHARED = 1, 2
# docs/acceleration.md: length, type, version, flags, job, reserved, epoch, code, step, metadata / 8, microseconds, input
# length, output length, input offset, output offset, engine time, granted jobs, granted units.
HEADER = struct.Struct("<IBBHQIIHBBIIIQQIHH")
assert HEADER.size == 64


def frame(kind, epoch, body=b"", flags=0, code=0, metadata=0, lengths=(0, 0), offsets=(0, 0)):
    return HEADER.pack(
        len(body), kind, 1, flags, 1, 0, epoch, code, 0, metadata // 8, 0, *lengths, *offsets, 0, 0, 0
    ) + body


def read_exactly(connection, count):
    parts = []
    while count > 0:
        part = connection.recv(count)
        if not part:
            raise ConnectionError("the worker hung up")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


class Session:
    """A connection to the thread that serves a program."""

    def __init__(self, directory, token, program, shared_bytes=0):
        with open(os.path.join(directory, "session.json"), encoding="utf-8") as file:
            description = json.load(file)
        lane = next(each["lane"] for each in description["programs"] if each["id"] == program)
        self.program, self.epoch = program, description["epoch"]
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.connect(os.path.join(directory, description["sockets"][lane][0]))
        flags = INPUT_SHARED if shared_bytes else 0
        self.connection.sendall(frame(HELLO, self.epoch, token, flags, offsets=(shared_bytes, 0)))
        answer, descriptors, _, _ = socket.recv_fds(self.connection, HEADER.size, 1)
        fields = HEADER.unpack(answer)
        if fields[7] != 0:
            raise PermissionError(f"the session was refused with status {fields[7]}")
        self.region, self.payload = None, fields[14]
        if descriptors:
            self.region = mmap.mmap(descriptors[0], fields[13])
            os.close(descriptors[0])

    def run(self, data, metadata=b"", room=None):
        """Output and metadata of one job. Raises RuntimeError with the status of one that was not done."""
        room = len(data) + len(data) // 64 + 512 if room is None else room
        if self.region is None:
            flags, offsets, body = 0, (0, 0), metadata + data
        else:
            end = self.payload + len(data)
            flags, offsets, body = INPUT_SHARED | OUTPUT_SHARED, (self.payload, end + -end % 64), metadata
            self.region[self.payload : end] = data
        self.connection.sendall(
            frame(SUBMIT, self.epoch, body, flags, self.program, len(metadata), (len(data), room), offsets)
        )
        fields = HEADER.unpack(read_exactly(self.connection, HEADER.size))
        body = read_exactly(self.connection, fields[0])
        if fields[1] != COMPLETE or fields[7] != 0:
            raise RuntimeError(f"status {fields[7]} in step {fields[8]}")
        made = fields[9] * 8
        output = body[made:] if self.region is None else self.region[fields[14] : fields[14] + fields[12]]
        return output, body[:made]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("program", type=int)
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--metadata", type=bytes.fromhex, default=b"")
    parser.add_argument("--room", type=int)
    arguments = parser.parse_args()
    token = bytes.fromhex(os.environ["OUTBOARD_ACCELERATION_TOKEN"])
    session = Session(arguments.directory, token, arguments.program, 4 << 20 if arguments.shared else 0)
    output, metadata = session.run(sys.stdin.buffer.read(), arguments.metadata, arguments.room)
    sys.stdout.buffer.write(output)
    sys.stderr.write(metadata.hex())


if __name__ == "__main__":
    main()
