"""permessage-deflate (RFC 7692), with messages that end in a final block."""

from __future__ import annotations

import collections
import zlib
from typing import TYPE_CHECKING, Any

from websockets import exceptions
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
)
from websockets.frames import Frame, Opcode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.extensions.base import Extension
    from websockets.typing import ExtensionParameter

__all__ = ["DeflateFactory"]

_TAIL = b"\x00\x00\xff\xff"
"""What a sender takes off the end of each message (RFC 7692, section 7.2.1)."""

_WINDOW_BYTES = 32 * 1024
"""The farthest that DEFLATE refers back to (RFC 1951)."""


class DeflateFactory(ClientPerMessageDeflateFactory):
    """Offers what the library offers by itself, and inflates with `_Deflate`."""

    def __init__(self) -> None:
        # memLevel as the library's own default: half the memory for what is sent.
        super().__init__(client_max_window_bits=True, compress_settings={"memLevel": 5})

    def process_response_params(
        self,
        params: Sequence[ExtensionParameter],
        accepted_extensions: Sequence[Extension],
    ) -> _Deflate:
        """Return the extension with the parameters that the server agreed to."""
        agreed = super().process_response_params(params, accepted_extensions)
        return _Deflate(
            agreed.remote_no_context_takeover,
            agreed.local_no_context_takeover,
            agreed.remote_max_window_bits,
            agreed.local_max_window_bits,
            agreed.compress_settings,
        )


class _Deflate(PerMessageDeflate):
    """Inflates messages, also those whose last block is marked as final.

    RFC 7692 allows that (section 7.2.3.3, BFINAL). zlib takes it for the end of
    everything: with websockets 17.4 each later message is empty. Here a new inflater
    goes on behind the final block, with the window of the old one.
    """

    def __init__(self, *options: Any) -> None:  # noqa: ANN401 - the library's
        super().__init__(*options)
        # What was inflated last, in parts: a window of it, and a part that begins
        # before that.
        self._recent: collections.deque[bytes] = collections.deque()
        self._recent_bytes = 0

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Return a frame with its payload inflated.

        Raises:
            PayloadTooBig: When it inflates to more than `max_size` bytes.
            ProtocolError: When it is not what RFC 7692 describes.
        """
        if not self._begin(frame):
            return frame
        data = bytes(frame.data) + (_TAIL if frame.fin else b"")
        try:
            inflated = self._inflate(data, max_size)
        except zlib.error as error:
            msg = "decompression failed"
            raise exceptions.ProtocolError(msg) from error
        if frame.fin and self.remote_no_context_takeover:
            del self.decoder
        # Without the bit: the frame is a plain one now.
        return Frame(
            frame.opcode,
            inflated,
            frame.fin,
            rsv1=False,
            rsv2=frame.rsv2,
            rsv3=frame.rsv3,
        )

    def _begin(self, frame: Frame) -> bool:
        """Return whether a frame belongs to a compressed message.

        Raises:
            ProtocolError: When a continuation has the first frame's bit.
        """
        if frame.opcode is Opcode.CONT:
            if not self.decode_cont_data:
                return False
            if frame.rsv1:
                msg = "RSV1 bit set in continuation frame"
                raise exceptions.ProtocolError(msg)
        elif frame.opcode not in {Opcode.TEXT, Opcode.BINARY} or not frame.rsv1:
            return False
        elif self.remote_no_context_takeover:
            self._recent.clear()
            self._recent_bytes = 0
            self._start_anew()
        self.decode_cont_data = not frame.fin
        return True

    def _start_anew(self) -> None:
        self.decoder = zlib.decompressobj(
            -self.remote_max_window_bits,
            zdict=b"".join(self._recent)[-_WINDOW_BYTES:],
        )

    def _inflate(self, data: bytes, limit: int | None) -> bytes:
        """Inflate what is there, over final blocks, up to a limit.

        Raises:
            PayloadTooBig: When there is more.
        """
        parts: list[bytes] = []
        size = 0
        while data:
            # One byte more than the limit shows that there is more; 0 is no limit.
            room = 0 if limit is None else limit + 1 - size
            part = self.decoder.decompress(data, room)
            parts.append(part)
            size += len(part)
            if limit is not None and size > limit:
                raise exceptions.PayloadTooBig(None, limit)
            self._remember(part)
            if self.decoder.eof:
                data = self.decoder.unused_data
                self._start_anew()
                if data == _TAIL:
                    # The sender has not added the empty block that is due behind a
                    # final one (section 7.2.1): its rest begins no block.
                    break
            else:
                data = self.decoder.unconsumed_tail
        return b"".join(parts)

    def _remember(self, part: bytes) -> None:
        """Keep a part of what was inflated, and forget what is out of the window."""
        if len(part) > _WINDOW_BYTES:
            part = part[-_WINDOW_BYTES:]
        self._recent.append(part)
        self._recent_bytes += len(part)
        while self._recent_bytes - len(self._recent[0]) >= _WINDOW_BYTES:
            self._recent_bytes -= len(self._recent.popleft())
