// Opens and verifies CMS with BouncyCastle. Jobs come as lines of words with a tab between them, each is answered with a line: "ok", or
// "no" and why.
//   open    CMS KEY CERTIFICATE OUT       the private key in PKCS#8, DER
//   verify  CMS CONTENT CA SIGNER OUT     CONTENT is "-" where it is inside; CA in DER; SIGNER is the address in the certificate
import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.util.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.*;
import org.bouncycastle.cert.jcajce.*;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.jcajce.*;

public class OpenCms {
    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        BufferedReader jobs = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = jobs.readLine()) != null; System.out.flush()) {
            String[] job = line.split("\t");
            try {
                if (job[0].equals("open")) open(job); else verify(job);
                System.out.println("ok");
            } catch (Throwable why) {
                StringBuilder all = new StringBuilder();
                for (Throwable one = why; one != null; one = one.getCause()) all.append(one).append("; ");
                System.out.println("no " + all.toString().replaceAll("\\s+", " "));
            }
        }
    }

    static byte[] read(String file) throws IOException { return Files.readAllBytes(Path.of(file)); }

    static void open(String[] job) throws Exception {
        byte[] cms = read(job[1]);
        PrivateKeyInfo info = PrivateKeyInfo.getInstance(read(job[2]));
        PrivateKey key = BouncyCastleProvider.getPrivateKey(info);
        X509CertificateHolder certificate = new X509CertificateHolder(read(job[3]));
        boolean authenticated = ContentInfo.getInstance(cms).getContentType().equals(CMSObjectIdentifiers.authEnvelopedData);
        RecipientInformationStore recipients = authenticated
            ? new CMSAuthEnvelopedData(cms).getRecipientInfos() : new CMSEnvelopedData(cms).getRecipientInfos();
        if (recipients.size() != 1) throw new Exception(recipients.size() + " recipients");
        RecipientInformation recipient = recipients.getRecipients().iterator().next();
        boolean agrees = recipient instanceof KeyAgreeRecipientInformation;
        if (!recipient.getRID().match(certificate)) throw new Exception("it is for another");
        byte[] content = agrees
            ? recipient.getContent(new JceKeyAgreeEnvelopedRecipient(key).setProvider("BC"))
            : recipient.getContent(new JceKeyTransEnvelopedRecipient(key).setProvider("BC"));
        Files.write(Path.of(job[4]), content);
    }

    static void verify(String[] job) throws Exception {
        CMSSignedData signed = job[2].equals("-")
            ? new CMSSignedData(read(job[1])) : new CMSSignedData(new CMSProcessableByteArray(read(job[2])), read(job[1]));
        X509CertificateHolder authority = new X509CertificateHolder(read(job[3]));
        Collection<SignerInformation> signers = signed.getSignerInfos().getSigners();
        if (signers.size() != 1) throw new Exception(signers.size() + " signers");
        SignerInformation signer = signers.iterator().next();
        Collection<X509CertificateHolder> found = signed.getCertificates().getMatches(signer.getSID());
        X509CertificateHolder certificate = found.iterator().next();
        if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(certificate)))
            throw new Exception("the signature is bad");
        if (!certificate.isSignatureValid(new JcaContentVerifierProviderBuilder().setProvider("BC").build(authority)))
            throw new Exception("the certificate is another authority's");
        X509Certificate leaf = new JcaX509CertificateConverter().getCertificate(certificate);
        boolean own = false;
        for (List<?> name : leaf.getSubjectAlternativeNames()) own |= name.get(0).equals(1) && name.get(1).equals(job[4]);
        if (!own) throw new Exception("the certificate is not the sender's");
        if (job[2].equals("-")) Files.write(Path.of(job[5]), (byte[]) signed.getSignedContent().getContent());
    }
}
