# One image for every process; what runs is the command: `phaya api`, `phaya worker`, `phaya migrate`, `phaya sandbox`.

FROM python:3.13-slim-trixie AS build
RUN python -m venv --without-pip /opt/phaya
COPY deploy/requirements/image.txt /tmp/image.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --disable-pip-version-check --python /opt/phaya/bin/python install \
        --require-hashes --no-deps --only-binary :all: --requirement /tmp/image.txt
COPY app /opt/phaya/src/app
COPY workers /opt/phaya/src/workers
COPY migrations /opt/phaya/src/migrations
# Compiled here, because nobody can write there later; `-P` keeps the working folder off Python's path.
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/phaya/src \
    && echo /opt/phaya/src >"$(/opt/phaya/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/phaya.pth" \
    && printf '#!/bin/sh\nexec /opt/phaya/bin/python -P -m app.cli "$@"\n' >/opt/phaya/bin/phaya \
    && chmod 0755 /opt/phaya/bin/phaya

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="phaya" \
      org.opencontainers.image.description="A self-hosted AI media broker" \
      org.opencontainers.image.version="0.1.0"
# tini reaps what killed tools leave behind. The Thai fonts stand behind Sarabun, which comes with the wheels.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends fontconfig fonts-thai-tlwg tini \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin phaya \
    && install --directory --owner phaya --group phaya --mode 0700 /var/lib/phaya /var/lib/phaya/files
COPY --from=build /opt/phaya /opt/phaya
# FFmpeg is the wheel's, pinned by its hash, because that is the one that the tests run; Debian's would bring 226 packages.
RUN ln -s /opt/phaya/lib/python3*/site-packages/imageio_ffmpeg/binaries/ffmpeg-* /usr/local/bin/ffmpeg && ffmpeg -version
# Some libraries want a home to write to.
ENV PATH=/opt/phaya/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    IMAGEIO_FFMPEG_EXE=/usr/local/bin/ffmpeg \
    PHAYA_STORAGE_DIR=/var/lib/phaya/files \
    PHAYA_WORK_DIR=/var/lib/phaya/work
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/phaya
EXPOSE 8000
# That of the API; compose gives the other processes their own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["tini", "--", "phaya"]
CMD ["api", "--host", "0.0.0.0", "--port", "8000"]
