"""An authority and certificates for tests, by the openssl command."""

import shutil
import subprocess
from pathlib import Path

OPENSSL = shutil.which("openssl")


def make_certificates(folder: Path, *names: str) -> None:
    """Write `ca.pem`, and `NAME.pem` with `NAME.key` for each name, valid for 127.0.0.1."""

    def openssl(*arguments: str) -> None:
        assert OPENSSL is not None
        subprocess.run([OPENSSL, *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(
        "req",
        "-x509",
        *key,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=test CA",
        "-days",
        "2",
    )
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in names:
        openssl("req", *key, "-keyout", f"{name}.key", "-out", "csr", "-subj", f"/CN={name}")
        openssl(
            "x509",
            "-req",
            "-in",
            "csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-days",
            "2",
            "-extfile",
            "ext",
            "-out",
            f"{name}.pem",
            "-CAcreateserial",
        )
