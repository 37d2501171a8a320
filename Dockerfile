# One image for every process; docker-compose.yml says which command each runs.
FROM python:3.12-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    HF_HUB_OFFLINE=1

# libgomp: PyTorch's threads.
RUN apt-get update \
    && apt-get install --no-install-recommends -y \
        libgomp1 tesseract-ocr tesseract-ocr-eng tesseract-ocr-chi-sim \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 ragsite

WORKDIR /app
COPY requirements.txt constraints.txt ./
# An index with CPU builds of PyTorch, if the default one would bring a build for graphics cards.
ARG TORCH_INDEX=""
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} --constraint constraints.txt torch \
    && pip install --constraint constraints.txt --requirement requirements.txt

COPY . .
# Folders that volumes are mounted at, owned by the user that writes to them.
RUN mkdir -p /data/media /data/static /data/state \
    && chown -R ragsite:ragsite /data locale \
    && python -m ragsite.catalogue compile
ENV MEDIA_ROOT=/data/media \
    STATIC_ROOT=/data/static \
    RAGSITE_STATE_DIR=/data/state

USER ragsite
EXPOSE 8000
CMD ["python", "-m", "uvicorn", "ragsite.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--lifespan", "off", "--no-access-log", "--no-server-header", "--log-level", "warning", "--timeout-graceful-shutdown", "3"]
