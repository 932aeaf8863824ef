# Mainstay as an image: one binary on a small Debian, run by nobody in particular, writing to /data only.
#
#   docker build -t mainstay .
#   docker run --rm --read-only --tmpfs /tmp -v mainstay:/data -p 127.0.0.1:8787:8787 mainstay

# The slim image has the C compiler that SQLite and ring are built with.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
# The caches outlive the layer: after a change of ours only we are compiled again. The binary is copied out, since the
# caches are no part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin mainstay \
    && install -D target/release/mainstay /out/mainstay

# Debian rather than an image without a shell: the binary needs libc, whoever runs it sometimes needs `exec … bash`, and
# the health check below needs bash. Certificates and time zones are compiled in.
FROM debian:bookworm-slim
RUN groupadd --gid 10001 mainstay \
    && useradd --uid 10001 --gid mainstay --home-dir /data --shell /usr/sbin/nologin mainstay \
    && install --directory --owner mainstay --group mainstay --mode 0700 /data
COPY --from=build /out/mainstay /usr/local/bin/mainstay

# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
# The database and `mainstay.env` lie here. Nothing else is written, so the root may be read-only.
WORKDIR /data
VOLUME /data
# A container is reached through its network; who may reach that is decided outside, by the published port.
ENV MAINSTAY_LISTEN=0.0.0.0:8787
EXPOSE 8787

# bash speaks TCP by itself: no curl to keep patched, and no command of ours that only containers would use.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8787 && printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]

ENTRYPOINT ["mainstay"]
CMD ["serve"]
