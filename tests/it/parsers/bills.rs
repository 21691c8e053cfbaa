//! Providers' bills: Alipay's CSV in GBK with its zip of two files, WeChat Pay's CSV, packed or not.

use std::io::{Cursor, Write};

use kibble::ops::recon;

use super::{Parser, size};

pub const ALL: &[Parser] = &[
    Parser { name: "bill", read, samples: sample_plain, growth: 64, cases: 256 },
    Parser { name: "zip of a bill", read, samples: sample_packed, growth: 64, cases: 256 },
];

fn read(input: &[u8]) -> usize {
    size(&recon::figures("bill", input))
}

fn alipay() -> String {
    "#支付宝业务明细查询\r\n#起始日期：[2026年11月05日 00:00:00]   终止日期：[2026年11月06日 00:00:00]\r\n#----业务明细列表----\r\n\
     支付宝交易号,商户订单号,业务类型,完成时间,订单金额（元）,商家实收（元）,退款批次号/请求号,服务费（元）,分润（元）,备注\r\n\
     2026\t,KB1\t,交易\t,2026-11-05 09:00:00\t,199.00\t,199.00\t,\t,-1.19\t,0.00\t,\t\r\n\
     2026\t,KB1\t,退款\t,2026-11-05 10:00:00\t,-60.00\t,-60.00\t,KR1\t,0.36\t,0.00\t,\t\r\n\
     #----业务明细列表结束----\r\n#交易合计：1笔，商家实收共199.00元，商家优惠共0.00元\r\n#退款合计：1笔，商家实收退款共-60.00元\r\n\
     #导出时间：[2026年11月06日 10:00:00]\r\n"
        .to_owned()
}

fn wechat() -> String {
    "\u{feff}交易时间,微信订单号,商户订单号,交易状态,应结订单金额,商户退款单号,退款金额,退款状态,商品名称,手续费\r\n\
     `2026-11-05 09:00:00,`4200,`KB2,`SUCCESS,`199.00,`,`0.00,`,`猫粮, 大包,`1.19400\r\n\
     `2026-11-05 10:00:00,`4200,`KB2,`REFUND,`0.00,`KR2,`60.00,`SUCCESS,`x,`-0.36000\r\n\
     总交易单数,应结订单总金额,退款总金额,手续费总金额\r\n`2,`199.00,`60.00,`0.83400\r\n"
        .to_owned()
}

fn sample_plain() -> Vec<Vec<u8>> {
    let utf16: Vec<u8> = format!("\u{feff}{}", alipay()).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let gbk = encoding_rs::GBK.encode(&alipay()).0.into_owned();
    vec![
        alipay().into_bytes(),
        gbk,
        utf16,
        wechat().into_bytes(),
        wechat().replace('`', "").replace(',', "\t").into_bytes(),
    ]
}

fn sample_packed() -> Vec<Vec<u8>> {
    let summary = "#汇总\r\n门店编号,交易订单总笔数,退款订单总笔数,订单金额（元）,服务费（元）,实收净额（元）\r\n合计,1,1,139.00,-0.83,138.17\r\n";
    let gbk = |text: &str| encoding_rs::GBK.encode(text).0.into_owned();
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let deflated = zip::write::SimpleFileOptions::default();
    [stored, deflated]
        .map(|options| {
            let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
            for (name, text) in [("20881_业务明细.csv", gbk(&alipay())), ("20881_业务明细(汇总).csv", gbk(summary))]
            {
                zip.start_file(name, options).unwrap();
                zip.write_all(&text).unwrap();
            }
            zip.finish().unwrap().into_inner()
        })
        .to_vec()
}
