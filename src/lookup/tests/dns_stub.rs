//! A resolver that knows one address for some names, and that all others do not exist.

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use hickory_resolver::proto::serialize::binary::{BinDecodable, BinEncodable};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

pub async fn answering(address: &'static str, names: &'static [&'static str]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let here = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut octets = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut octets).await {
            let question = Message::from_bytes(&octets[..length]).unwrap();
            let query = question.queries[0].clone();
            let mut answer = Message::response(question.id, question.op_code);
            answer.add_query(query.clone());
            if !names.iter().any(|name| query.name().to_string() == *name) {
                answer.metadata.response_code = ResponseCode::NXDomain;
            } else if query.query_type() == RecordType::A {
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, RData::A(A(address.parse().unwrap()))));
            }
            let _ = socket.send_to(&answer.to_bytes().unwrap(), from).await;
        }
    });
    here
}
