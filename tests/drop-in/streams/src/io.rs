//! tokio-util: adaptors between readers, streams, and blocking code.

use std::io::{ErrorKind, Read, Write};

use bytes::Bytes;
use futures::{AsyncWriteExt as _, StreamExt, stream};
use support::on_each;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use tokio_util::io::{CopyToBytes, InspectReader, ReaderStream, SinkWriter, StreamReader, SyncIoBridge};
use tokio_util::sync::PollSender;

#[test]
fn both_families_of_traits_meet() {
    on_each(async || {
        let (ours, theirs) = duplex(16);
        let mut futures_side = theirs.compat();
        let server = tokio::spawn(async move {
            let mut request = [0; 4];
            futures::AsyncReadExt::read_exact(&mut futures_side, &mut request)
                .await
                .unwrap();
            futures_side.write_all(&request).await.unwrap();
            futures_side.close().await.unwrap();
        });
        // There and back again.
        let mut tokio_side = FuturesAsyncReadCompatExt::compat(ours.compat());
        AsyncWriteExt::write_all(&mut tokio_side, b"ping").await.unwrap();
        let mut reply = String::new();
        AsyncReadExt::read_to_string(&mut tokio_side, &mut reply).await.unwrap();
        assert_eq!(reply, "ping");
        server.await.unwrap();
    });
}

#[test]
fn a_reader_is_a_stream_and_a_stream_a_reader() {
    on_each(async || {
        let chunks = stream::iter((0..100u8).map(|byte| std::io::Result::Ok(Bytes::from(vec![byte; 100]))));
        let mut seen = 0;
        let reader = InspectReader::new(StreamReader::new(chunks), |bytes| seen += bytes.len());
        let pieces: Vec<Bytes> = ReaderStream::with_capacity(reader, 64)
            .map(Result::unwrap)
            .collect()
            .await;
        assert!(pieces.iter().all(|piece| piece.len() <= 64));
        let bytes = pieces.concat();
        assert_eq!((bytes.len(), seen), (10_000, 10_000));
        assert!(
            bytes
                .chunks(100)
                .enumerate()
                .all(|(number, chunk)| chunk == [number as u8; 100])
        );
    });
}

#[test]
fn a_channel_is_a_writer() {
    on_each(async || {
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
        let task = tokio::spawn(async move {
            let sink = futures::SinkExt::sink_map_err(PollSender::new(sender), |_| {
                std::io::Error::from(ErrorKind::BrokenPipe)
            });
            let mut writer = SinkWriter::new(CopyToBytes::new(sink));
            for word in ["one", "two", "three"] {
                AsyncWriteExt::write_all(&mut writer, word.as_bytes()).await.unwrap();
            }
            AsyncWriteExt::shutdown(&mut writer).await.unwrap();
        });
        let mut words = Vec::new();
        while let Some(word) = receiver.recv().await {
            words.push(word);
        }
        assert_eq!(words, ["one", "two", "three"]);
        task.await.unwrap();
    });
}

#[test]
fn blocking_code_reads_and_writes_through_the_bridge() {
    on_each(async || {
        let (near, far) = duplex(8);
        let blocking = tokio::task::spawn_blocking(move || {
            let mut bridge = SyncIoBridge::new(far);
            let mut text = [0; 26];
            bridge.read_exact(&mut text).unwrap();
            bridge.write_all(&text.map(|byte| byte.to_ascii_uppercase())).unwrap();
        });
        let (mut reader, mut writer) = tokio::io::split(near);
        let alphabet: Vec<u8> = (b'a'..=b'z').collect();
        let mut reply = Vec::new();
        let (written, read) = tokio::join!(
            AsyncWriteExt::write_all(&mut writer, &alphabet),
            AsyncReadExt::read_to_end(&mut reader, &mut reply)
        );
        written.unwrap();
        read.unwrap();
        assert_eq!(reply, alphabet.to_ascii_uppercase());
        blocking.await.unwrap();
    });
}
