# SPDX-License-Identifier: MIT
"""Certificates for tests, made by openssl(1) in a directory of the test, with
EC keys because they are quick to make.

    ca = Authority(directory)
    server = ca.issue("server", ["DNS:localhost", "IP:127.0.0.1"])
    server.certificate, server.key      # paths of PEM files
    ca.certificate
    ca.revoke(client); ca.crl()         # the path of a list of the revoked
"""
import os
import shutil
import subprocess
import time
import unittest

CONFIG = """
[ca]
default_ca = mine
[mine]
new_certs_dir = {dir}
database = {dir}/{name}.index
serial = {dir}/{name}.serial
crlnumber = {dir}/{name}.crlnumber
certificate = {dir}/{name}.pem
private_key = {dir}/{name}.key
default_md = sha256
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = optional
[req]
distinguished_name = none
[none]
[leaf]
{extensions}
"""


def openssl(*args):
    if shutil.which("openssl") is None:
        raise unittest.SkipTest("openssl is not installed")
    done = subprocess.run(["openssl"] + list(args), capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    if done.returncode != 0:
        raise AssertionError("openssl %s: %s"
                             % (" ".join(args), done.stderr.decode()))
    return done.stdout


def _stamp(days):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time()
                                                      + days * 86400))


class Pair:
    """The paths of a certificate, with its chain, and of its key."""

    def __init__(self, certificate, key):
        self.certificate = certificate
        self.key = key

    def copy_to(self, certificate, key):
        """Replaces the files at these paths, each by a rename."""
        for source, target in ((self.certificate, certificate),
                               (self.key, key)):
            shutil.copyfile(source, target + ".new")
            os.rename(target + ".new", target)


class Authority(Pair):
    """A CA. issuer: the CA that has signed its certificate."""

    def __init__(self, directory, name="ca", issuer=None, days=100):
        self.dir = directory
        self.name = name
        self.issuer = issuer
        super().__init__(self._path(".pem"), self._path(".key"))
        for ending, text in ((".index", ""), (".serial", "01\n"),
                             (".crlnumber", "01\n")):
            with open(self._path(ending), "w") as f:
                f.write(text)
        if issuer is None:
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
                    "-out", self.certificate, "-days", str(days), "-subj",
                    "/CN=" + name)
        else:
            pair = issuer.issue(name, extensions=[
                "basicConstraints=critical,CA:TRUE"], chain=False)
            assert pair.certificate == self.certificate

    def _path(self, ending, name=None):
        return os.path.join(self.dir, (name or self.name) + ending)

    def _config(self, extensions=()):
        path = self._path(".cnf")
        with open(path, "w") as f:
            f.write(CONFIG.format(dir=self.dir, name=self.name,
                                  extensions="\n".join(extensions)))
        return path

    def chain(self):
        """The PEM text of the CAs below the root."""
        if self.issuer is None:
            return ""
        with open(self.certificate) as f:
            return f.read() + self.issuer.chain()

    def issue(self, name, names=(), usage="serverAuth,clientAuth", begin=-1,
              end=90, cn=None, key=("-newkey", "ec", "-pkeyopt",
                                    "ec_paramgen_curve:P-256"),
              extensions=None, chain=True, digest="sha256"):
        """Makes NAME.pem and NAME.key; begin and end in days from now."""
        pair = Pair(self._path(".pem", name), self._path(".key", name))
        request = self._path(".csr", name)
        if extensions is None:
            extensions = ["basicConstraints=CA:FALSE"]
            if usage:
                extensions.append("extendedKeyUsage=" + usage)
            if names:
                extensions.append("subjectAltName=" + ",".join(names))
        config = self._config(extensions)
        subject = "/CN=" + (name if cn is None else cn)
        openssl("req", "-new", "-config", config, *key, "-nodes", "-keyout",
                pair.key, "-out", request, "-subj",
                subject if subject != "/CN=" else "/")
        openssl("ca", "-batch", "-notext", "-config", config, "-extensions",
                "leaf", "-in", request, "-out", pair.certificate, "-md",
                digest, "-startdate", _stamp(begin), "-enddate", _stamp(end))
        if chain:
            with open(pair.certificate, "a") as f:
                f.write(self.chain())
        return pair

    def revoke(self, pair):
        openssl("ca", "-config", self._config(), "-revoke", pair.certificate)

    def crl(self):
        path = self._path(".crl")
        openssl("ca", "-config", self._config(), "-gencrl", "-out", path)
        return path
