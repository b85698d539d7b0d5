"""Which adapters there are is known without importing them."""

from __future__ import annotations

import subprocess
import sys

from adapters import registry


def test_a_channels_folder_is_named_as_its_kind() -> None:
    assert {kind: adapter.kind for kind, adapter in registry.load().items()} == {kind: kind for kind in registry.load()}


def test_a_channel_is_imported_when_it_is_asked_for_and_its_simulator_never() -> None:
    code = (
        "import sys; from adapters import registry; found = registry.load(); 'sms' in found; found['whatsapp'];"
        "print(sorted(n for n in sys.modules if n.startswith('adapters.') and ('simula' in n or n.split('.')[1] in found)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "adapters.whatsapp.inbound" in told
    assert "simula" not in told
    assert "adapters.sms" not in told
